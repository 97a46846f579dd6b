// Scope syntax: space-separated, case-sensitive names in a narrow ASCII alphabet. RFC 6749 §3.3.

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * Reads a scope parameter or claim into its distinct names, in their order. Undefined when it holds a character that
 * is not allowed, or anything but single spaces between names.
 */
export function parseScope(text: string): ReadonlySet<string> | undefined {
	const names = text.split(' ');
	for (const name of names) if (!SCOPE.test(name)) return undefined;
	return new Set(names);
}
