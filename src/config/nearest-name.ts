// Finds the name that somebody probably meant. Only ever used in the text of a remedy: nothing is corrected silently.

const CANDIDATES_MAX = 5000;
const LENGTH_MAX = 100;

/** Gives the candidate nearest to `name` when it is near enough to be a typing error; undefined otherwise. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
	let nearest: string | undefined;
	// A third of the letters may be wrong, one at least; of a single letter, none.
	let nearestDistance = Math.min(name.length, Math.max(1, Math.floor(name.length / 3)) + 1);
	let seen = 0;
	for (const candidate of candidates) {
		if (++seen > CANDIDATES_MAX) break;
		if (candidate.length > LENGTH_MAX || name.length > LENGTH_MAX) continue;
		if (Math.abs(candidate.length - name.length) >= nearestDistance) continue;
		const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
		if (distance < nearestDistance) {
			nearest = candidate;
			nearestDistance = distance;
		}
	}
	return nearest;
}

/** Says "Did you mean …?" when there is a near name, else lists up to eight of those that exist. */
export function suggestName(name: string, candidates: Iterable<string>, what: string): string {
	const names = [...candidates];
	const nearest = nearestName(name, names);
	if (nearest !== undefined) return `Did you mean "${nearest}"?`;
	if (names.length === 0) return `There is no ${what} yet; add it.`;
	const listed = names.slice(0, 8).join(', ');
	return `Use one of: ${listed}${names.length > 8 ? `, … (${names.length} in all)` : ''}.`;
}

/**
 * Counts the insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string
 * alignment): what fingers do wrong.
 */
function editDistance(a: string, b: string): number {
	let beforePrevious: readonly number[] = [];
	let previous: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
	for (let row = 1; row <= a.length; row++) {
		const current = [row];
		for (let column = 1; column <= b.length; column++) {
			const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
			let least = Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
			if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
				least = Math.min(least, (beforePrevious[column - 2] ?? 0) + 1);
			}
			current.push(least);
		}
		beforePrevious = previous;
		previous = current;
	}
	return previous[b.length] ?? 0;
}
