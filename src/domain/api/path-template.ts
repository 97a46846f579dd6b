// Reads the path templates of OpenAPI documents (OpenAPI 3 §4.8.8 Paths Object, §4.8.2 Path Templating), narrowed to
// what can be matched without doubt: each segment is a literal or holds one parameter, with literal text around it.
// Requests are matched byte for byte, so a literal may hold only what `parseRequestTarget` lets through unescaped.
import { fail, ok, type Result } from '../../kernel/result.ts';

/** One segment between two slashes. */
export type PathSegment =
	| { readonly kind: 'literal'; readonly text: string }
	| { readonly kind: 'parameter'; readonly name: string; readonly prefix: string; readonly suffix: string };

/** A template such as `/accounts/{AccountId}/statements/{id}.json`, taken apart. */
export interface PathTemplate {
	/** The template as it is written in the document. */
	readonly text: string;
	/** Segments after the first slash; a trailing slash gives a last literal segment that is empty. */
	readonly segments: readonly PathSegment[];
	/** Parameter names in the order of the template. */
	readonly parameters: readonly string[];
}

const TEMPLATE_LENGTH_MAX = 1024;
const SEGMENTS_MAX = 64;
const LITERAL = /^[A-Za-z0-9\-_~!$&'()*+,=:@.]*$/;
const PARAMETER = /^([^{}]*)\{([^{}]{1,128})\}([^{}]*)$/;

/** Reads a path template; the fault says in one sentence what is wrong with it. */
export function parsePathTemplate(text: string): Result<PathTemplate, string> {
	if (!text.startsWith('/')) return fail('a path template begins with a slash');
	if (text.length > TEMPLATE_LENGTH_MAX) return fail(`a path template has at most ${TEMPLATE_LENGTH_MAX} characters`);
	const parts = text.slice(1).split('/');
	if (parts.length > SEGMENTS_MAX) return fail(`a path template has at most ${SEGMENTS_MAX} segments`);
	const segments: PathSegment[] = [];
	const parameters: string[] = [];
	for (const [index, part] of parts.entries()) {
		if (part === '' && index < parts.length - 1) return fail('a path template has no empty segment');
		const segment = parseSegment(part);
		if (!segment.ok) return segment;
		segments.push(segment.value);
		if (segment.value.kind === 'literal') continue;
		if (parameters.includes(segment.value.name)) {
			return fail(`the parameter "${segment.value.name}" stands in the template twice`);
		}
		parameters.push(segment.value.name);
	}
	return ok({ text, segments, parameters });
}

function parseSegment(part: string): Result<PathSegment, string> {
	if (!part.includes('{') && !part.includes('}')) {
		if (part === '.' || part === '..') return fail('a path template has no "." and ".." segments');
		return LITERAL.test(part) ? ok({ kind: 'literal', text: part }) : fail(badLiteral(part));
	}
	const match = PARAMETER.exec(part);
	if (match === null) return fail(`the segment "${part}" holds more than one parameter, or unpaired braces`);
	const [, prefix = '', name = '', suffix = ''] = match;
	if (!LITERAL.test(prefix) || !LITERAL.test(suffix)) return fail(badLiteral(part));
	return ok({ kind: 'parameter', name, prefix, suffix });
}

function badLiteral(part: string): string {
	return `the segment "${part}" holds a character that a path carries only escaped`;
}

/**
 * Erases the parameter names: two templates of the same shape match exactly the same paths, so that one of the two
 * operations could never be reached.
 */
export function shapeOf(template: PathTemplate): string {
	return template.segments
		.map((segment) => (segment.kind === 'literal' ? `/${segment.text}` : `/${segment.prefix}{}${segment.suffix}`))
		.join('');
}
