import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { unwrap } from '../../kernel/result.ts';
import { parsePathTemplate, shapeOf } from './path-template.ts';

test('takes literals and parameters apart, in order', () => {
	const template = unwrap(parsePathTemplate('/v{n}/accounts/{AccountId}/statements/{id}.json'));
	assert.deepEqual(template.parameters, ['n', 'AccountId', 'id']);
	assert.deepEqual(template.segments, [
		{ kind: 'parameter', name: 'n', prefix: 'v', suffix: '' },
		{ kind: 'literal', text: 'accounts' },
		{ kind: 'parameter', name: 'AccountId', prefix: '', suffix: '' },
		{ kind: 'literal', text: 'statements' },
		{ kind: 'parameter', name: 'id', prefix: '', suffix: '.json' },
	]);
});

test('keeps a trailing slash as a segment of its own', () => {
	assert.deepEqual(unwrap(parsePathTemplate('/')).segments, [{ kind: 'literal', text: '' }]);
	assert.notEqual(shapeOf(unwrap(parsePathTemplate('/a'))), shapeOf(unwrap(parsePathTemplate('/a/'))));
});

for (const [text, reason] of [
	['accounts', /begins with a slash/],
	['', /begins with a slash/],
	['//a', /no empty segment/],
	['/a//b', /no empty segment/],
	['/a/../b', /"\." and "\.\."/],
	['/./a', /"\." and "\.\."/],
	['/{a}{b}', /more than one parameter/],
	['/{a}-{b}', /more than one parameter/],
	['/{a', /unpaired braces/],
	['/a}', /unpaired braces/],
	['/{}', /unpaired braces/],
	['/{{a}}', /unpaired braces/],
	['/{a}/{a}', /twice/],
	['/a b', /only escaped/],
	['/a%2fb', /only escaped/],
	['/a?b=c', /only escaped/],
	['/a#b', /only escaped/],
	['/a;b/{c}', /only escaped/],
	['/é', /only escaped/],
	[`/${'a'.repeat(1024)}`, /at most 1024/],
	['/a'.repeat(65), /at most 64 segments/],
] as const) {
	test(`refuses the template ${JSON.stringify(text.slice(0, 20))}`, () => {
		const parsed = parsePathTemplate(text);
		assert.ok(!parsed.ok);
		assert.match(parsed.fault, reason);
	});
}

test('gives templates that differ in parameter names only the same shape', () => {
	const name = fc.string({ minLength: 1, maxLength: 10 }).filter((text) => !/[{}/]/.test(text));
	const literal = fc.stringMatching(/^[a-z0-9]{1,8}$/);
	fc.assert(
		fc.property(fc.array(fc.tuple(literal, name, name), { minLength: 1, maxLength: 5 }), (parts) => {
			const first = parsePathTemplate(parts.map(([text, a], index) => `/${text}/{${a}${index}}`).join(''));
			const second = parsePathTemplate(parts.map(([text, , b], index) => `/${text}/{${b}${index}}`).join(''));
			assert.equal(shapeOf(unwrap(first)), shapeOf(unwrap(second)));
		}),
	);
});
