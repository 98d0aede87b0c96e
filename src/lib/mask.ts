/** What stands between the user and the host of an address with a scheme, wherever it is in a text; not the words that examples have there. */
const passwordOfAddress = /\b([a-z][a-z0-9+.-]*:\/\/[^\s/?#:@"'`<>]*):(?!(?:pass|password)@)[^\s/"'`<>]+@/gi;
/** Parameters of an address that are secrets by their names. */
const secretParameter = /([?&](?:password|passwd|pwd|secret|token|api_?key|access_?token)=)[^\s&"'`<>]+/gi;

/**
 * A text without the passwords of addresses in it (`mysql://user:***@host`): errors and logs may quote what a function, a driver or a
 * server says, and that may quote an address.
 */
export function maskPasswords(text: string): string {
  if (!text.includes('://')) return text;
  return text.replace(passwordOfAddress, '$1:***@').replace(secretParameter, '$1***');
}
