import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatSpiffeId, parseSpiffeId } from './spiffe-id.ts';

const PARTNER = 'prt_01katr8dq0abcdefghjkmnpqrs';
const CLIENT = 'cli_01katr8dq0abcdefghjkmnpqrs';
const OPERATOR = 'opr_01katr8dq0abcdefghjkmnpqrs';
const GOOD = [
	`spiffe://bank.example/partner/${PARTNER}/client/${CLIENT}`,
	`spiffe://bank.example/operator/${OPERATOR}`,
	'spiffe://bank.example/service/gateway',
];

test('reads the three forms and writes them back', () => {
	for (const text of GOOD) {
		const id = parseSpiffeId(text);
		assert.ok(id !== undefined, text);
		assert.equal(formatSpiffeId(id), text);
	}
	assert.deepEqual(parseSpiffeId(GOOD[0] ?? ''), {
		trustDomain: 'bank.example',
		kind: 'partner-client',
		partnerId: PARTNER,
		clientId: CLIENT,
	});
});

test('names nobody for any other spelling', () => {
	const base = GOOD[0] ?? '';
	const bad = [
		'',
		'spiffe://',
		'https://bank.example/service/gateway',
		'SPIFFE://bank.example/service/gateway',
		'spiffe://Bank.example/service/gateway',
		'spiffe://bank.example:8443/service/gateway',
		'spiffe://user@bank.example/service/gateway',
		'spiffe://bank..example/service/gateway',
		'spiffe:///service/gateway',
		'spiffe://bank.example//service/gateway',
		'spiffe://bank.example/service/gateway/',
		'spiffe://bank.example/service/',
		'spiffe://bank.example/service/./gateway',
		'spiffe://bank.example/service/*',
		'spiffe://bank.example/service/gate%77ay',
		'spiffe://bank.example/service/gateway\u0000',
		'spiffe://bank.example/service/gateway\n',
		'spiffe://bank.example/service/Gateway',
		`spiffe://bank.example/operator/${PARTNER}`,
		`spiffe://bank.example/partner/${CLIENT}/client/${PARTNER}`,
		`spiffe://bank.example/partner/${PARTNER}`,
		`${base}?admin`,
		`${base}#admin`,
		`${base}/more`,
		`${base} `,
		base.toUpperCase(),
		`${base}${'x'.repeat(600)}`,
	];
	for (const text of bad) assert.equal(parseSpiffeId(text), undefined, text);
});

test('names nobody once any character of an id is replaced by one that ids do not use', () => {
	fc.assert(
		fc.property(
			fc.constantFrom(...GOOD),
			fc.nat(),
			fc.constantFrom('%', '?', '#', ':', '@', '*', '\0', 'A', ' ', '\\', ';', 'é'),
			(text, at, character) => {
				const index = at % text.length;
				const changed = text.slice(0, index) + character + text.slice(index + 1);
				// The colon of `spiffe:` replaced by a colon is the id itself.
				if (changed !== text) assert.equal(parseSpiffeId(changed), undefined);
			},
		),
	);
});
