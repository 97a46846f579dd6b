// Tells whether a JSON value holds a member that a path names, in another case. Several JSON libraries (Go's, .NET's and
// others, by default or by habit) match member names without regard to case, and let the last one win: to them
// `DebtorAccountId` beside `debtorAccountId` is the one that counts, while only the other one was authorized.
import { type JsonPath, type Segment, selectValues } from './json-path.ts';

/** Compiles a path into a test of a value: true when a member on the path stands there in another spelling as well. */
export function compileOtherSpelling(path: JsonPath): (value: unknown) => boolean {
	const steps = path.segments.flatMap((segment, index) => {
		if (segment.selector.kind !== 'name') return [];
		const { name } = segment.selector;
		const parents: JsonPath = { text: path.text, segments: path.segments.slice(0, index) };
		return [{ parents, segment, name, folded: fold(name) }];
	});
	return (value) =>
		steps.some(({ parents, segment, name, folded }) => {
			for (const parent of selectValues(parents, value)) {
				for (const node of nodesOf(parent, segment)) if (hasOther(node, name, folded)) return true;
			}
			return false;
		});
}

/** The nodes whose members a step looks at: the parent alone, or with everything below it. */
function nodesOf(parent: unknown, { isDescendant }: Segment): readonly unknown[] {
	return isDescendant ? [parent, ...selectValues(EVERYTHING, parent)] : [parent];
}

const EVERYTHING: JsonPath = { text: '$..*', segments: [{ selector: { kind: 'wildcard' }, isDescendant: true }] };

function hasOther(node: unknown, name: string, folded: string): boolean {
	if (typeof node !== 'object' || node === null || Array.isArray(node)) return false;
	for (const key in node) {
		if (key !== name && fold(key) === folded) return true;
	}
	return false;
}

/** One text for all spellings; `ſ` and the Kelvin sign fold to `s` and `k`, as they do in those libraries. */
function fold(name: string): string {
	return name.toUpperCase().toLowerCase();
}
