import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeSegment, parseRequestTarget } from './request-target.ts';

const ACCEPTED = [
	'/',
	'/accounts',
	'/accounts/',
	'/accounts/v1/acc-1001?limit=5&cursor=a%20b',
	"/a/b.c/~d/_e/!$&'()*+,=:@",
	'/caf%C3%A9',
	'/with%20space',
	'/.well-known/x',
	'/a?x[]=1&y=/path?z',
	'/v1/{x}'.replace('{x}', '%7Bx%7D'),
];

for (const target of ACCEPTED) {
	test(`accepts ${target} and keeps its bytes`, () => {
		const parsed = parseRequestTarget(target);
		assert.ok(parsed);
		assert.equal(parsed.query === '' ? parsed.path : `${parsed.path}?${parsed.query}`, target);
	});
}

// T14: each of these means different things to different servers.
const REFUSED = [
	'',
	'*',
	'accounts',
	'http://evil.example/accounts',
	'//accounts',
	'/accounts//x',
	'/./accounts',
	'/accounts/..',
	'/accounts/../admin',
	'/accounts/.',
	'/%2e%2e/admin',
	'/%2E/admin',
	'/a%2fb',
	'/a%2Fb',
	'/a%5cb',
	'/a\\b',
	'/a;b',
	'/a%3bb',
	'/a%00',
	'/a%0d%0ab',
	'/a%25b',
	'/a%3fb',
	'/a%23b',
	'/a#b',
	'/%61dmin',
	'/%c0%ae%c0%ae/x',
	'/%ff',
	'/%e2%28%a1',
	'/a%',
	'/a%2',
	'/a%zz',
	'/a\tb',
	'/a b',
	'/caf\u00e9',
	'/a"b',
	'/a<b',
	'/a^b',
	'/a|b',
	'/a{b}',
	'/a?x=%00',
	'/a?x=1;y=2',
	'/a?x=1#f',
	'/a?x=\\',
	'/%C2%80',
	'/%7f',
];

for (const target of REFUSED) {
	test(`refuses ${JSON.stringify(target)}`, () => {
		assert.equal(parseRequestTarget(target), undefined);
	});
}

test('what is accepted reads the same to the URL parser of browsers and Node', () => {
	const alphabet = fc.constantFrom(...'ab/.%2eEfF5cC3bB0?#;\\~_-:@[]= \t'.split(''));
	fc.assert(
		fc.property(
			fc.array(alphabet, { maxLength: 24 }).map((chars) => `/${chars.join('')}`),
			(target) => {
				const parsed = parseRequestTarget(target);
				if (parsed === undefined) return;
				const url = new URL(target, 'https://gateway.example');
				assert.equal(url.host, 'gateway.example');
				assert.equal(url.pathname, parsed.path);
				assert.equal(url.hash, '');
			},
		),
		{ numRuns: 5000 },
	);
});

test('decodes escapes that are needed and refuses those that hide something', () => {
	assert.equal(decodeSegment('a%20b'), 'a b');
	assert.equal(decodeSegment('%C3%A9'), 'é');
	assert.equal(decodeSegment('%2F'), undefined);
	assert.equal(decodeSegment('%41'), undefined);
	assert.equal(decodeSegment('%0a'), undefined);
});
