/** What became of one text: the text with its variables filled in, and what was wrong with them. */
export interface Substitution {
  readonly text: string;
  readonly mistakes: readonly { readonly message: string; readonly remedy: string }[];
}

/** An escape, what stands between the braces, and the brace that ends it. */
const reference = /(\$)?\$\{([^}]*)(\})?/g;
const variable = /^(?<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?<fallback>.*))?$/s;

/**
 * Fills in `${NAME}` and `${NAME:-default}`, as a shell does: the default stands for an unset or empty variable. `$${` is a
 * literal `${`. Values are never printed: they may be secrets.
 */
export function substituteVariables(text: string, env: Readonly<Record<string, string | undefined>>): Substitution {
  const mistakes: { message: string; remedy: string }[] = [];
  const filled = text.replace(reference, (whole: string, escape: string | undefined, inner: string, end: string | undefined) => {
    if (escape !== undefined) return whole.slice(1);
    const parts = end === undefined ? undefined : variable.exec(inner)?.groups;
    if (parts?.name === undefined) {
      mistakes.push({ message: `"${whole}" is no variable`, remedy: 'write ${NAME} or ${NAME:-default}, or $${ for a literal ${' });
      return whole;
    }
    const value = env[parts.name];
    if (parts.fallback !== undefined) return value === undefined || value === '' ? parts.fallback : value;
    if (value === undefined) {
      mistakes.push({
        message: `the environment variable ${parts.name} is not set`,
        remedy: `set it, or write \${${parts.name}:-default}`,
      });
    }
    return value ?? '';
  });
  return { text: filled, mistakes };
}
