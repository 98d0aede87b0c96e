/**
 * Takes secrets out of a configuration that leaves its place: what stands literally where a password belongs becomes a variable.
 * References (`${NAME}`) stay as they were written, without a default that is a secret itself.
 */

/** Keys whose whole value is a secret. */
const secretKey = /passw(or)?d|passphrase|pwd|secret|token|credential|api[_-]?key|private[_-]?key|access[_-]?key/i;

/** A reference; `$${` is none. */
const reference = /(?<!\$)\$\{([A-Za-z_]\w*)(:-[^}]*)?\}/g;

/** What stands between the scheme and the `@` of an address, its references taken out. */
const userInfo = /([a-z][a-z0-9+.-]*:\/\/)([^\s/?#]*)@/gi;

/** The same of an address without a scheme, as Go's MySQL driver takes it: user:password@tcp(host:3306)/database. */
const bareUserInfo = /^([^\s:@/]+:)(?!\/\/)([^\s@]+)(?=@)/;

/** Parameters of an address that are secrets. */
const queryParameter = /([?&])([^=&\s]+)=([^&\s]*)/g;

/** The text with every secret in it replaced by what `variable` gives. `key` is the key that the text stands at. */
export function maskSecrets(key: string, text: string, variable: () => string): string {
  const mask = (secret: string): string => (isOnlyReferences(secret) ? withoutDefaults(secret) : `\${${variable()}}`);
  if (secretKey.test(key)) return text === '' ? text : mask(text);
  const { bare, restore } = takeOutReferences(text);
  const masked = bare
    .replace(userInfo, (_whole, scheme: string, info: string) => `${scheme}${maskUserInfo(info, (part) => mask(restore(part)))}@`)
    .replace(bareUserInfo, (_whole, user: string, secret: string) => `${user}${mask(restore(secret))}`)
    .replace(queryParameter, (whole, mark: string, name: string, value: string) =>
      secretKey.test(name) && value !== '' ? `${mark}${name}=${mask(restore(value))}` : whole,
    );
  return restore(masked);
}

/** Whether a document, as it was written, has a secret in it that is no reference. */
export function hasLiteralSecret(value: unknown, key = ''): boolean {
  if (typeof value === 'string') {
    let count = 0;
    maskSecrets(key, value, () => `X${(count += 1)}`);
    return count > 0;
  }
  if (Array.isArray(value)) return value.some((item) => hasLiteralSecret(item, key));
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, item]) => hasLiteralSecret(item, name));
}

function maskUserInfo(info: string, mask: (secret: string) => string): string {
  const at = info.indexOf(':');
  return at === -1 || at === info.length - 1 ? info : `${info.slice(0, at + 1)}${mask(info.slice(at + 1))}`;
}

function isOnlyReferences(text: string): boolean {
  return text !== '' && text.replaceAll(reference, '') === '';
}

function withoutDefaults(text: string): string {
  return text.replaceAll(reference, (_whole, name: string) => `\${${name}}`);
}

/** References as single characters that mean nothing in an address; a default that holds a secret is dropped. */
function takeOutReferences(text: string): { readonly bare: string; readonly restore: (part: string) => string } {
  const taken: string[] = [];
  const bare = text.replaceAll(reference, (whole, name: string, fallback: string | undefined) => {
    taken.push(fallback !== undefined && hasSecret(fallback.slice(2)) ? `\${${name}}` : whole);
    return String.fromCharCode(0xe000 + taken.length - 1);
  });
  return { bare, restore: (part) => part.replaceAll(/[\ue000-\uf8ff]/g, (one) => taken[one.charCodeAt(0) - 0xe000] ?? one) };
}

function hasSecret(text: string): boolean {
  return maskSecrets('', text, () => 'X') !== text;
}
