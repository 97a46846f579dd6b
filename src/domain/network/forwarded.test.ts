import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findForwardedClient, type ForwardingField } from './forwarded.ts';
import { formatIpAddress, type IpAddress, parseIpAddress } from './ip-address.ts';
import { ipSetOf } from './ip-set.ts';

const HOPS = ipSetOf(['10.0.0.0/8', '2001:db8:ffff::/48']);
const PEER = parseIpAddress('10.0.0.1') as IpAddress;

function find(field: ForwardingField, value: string | undefined): string {
	const client = findForwardedClient(value, PEER, { hops: HOPS, field });
	return client === undefined ? 'malformed' : formatIpAddress(client);
}

for (const [value, expected] of [
	[undefined, '10.0.0.1'],
	['203.0.113.7', '203.0.113.7'],
	['1.1.1.1, 203.0.113.7', '203.0.113.7'],
	['1.1.1.1,203.0.113.7,10.0.0.2', '203.0.113.7'],
	['203.0.113.7, 2001:db8:ffff::1, 10.0.0.2', '203.0.113.7'],
	['2001:db8::7', '2001:db8::7'],
	['[2001:db8::7]', '2001:db8::7'],
	['[2001:db8::7]:443', '2001:db8::7'],
	['203.0.113.7:443', '203.0.113.7'],
	['::ffff:203.0.113.7', '203.0.113.7'],
	['10.0.0.3, 10.0.0.2', '10.0.0.3'],
	['anything <at> all, 203.0.113.7', '203.0.113.7'],
	['', 'malformed'],
	['203.0.113.7,', 'malformed'],
	['203.0.113.7, unknown', 'malformed'],
	['203.0.113.07', 'malformed'],
	['203.0.113.7 10.0.0.2', 'malformed'],
	['localhost', 'malformed'],
	[', 10.0.0.2', 'malformed'],
	[Array.from({ length: 33 }, () => '10.0.0.2').join(','), 'malformed'],
] as const) {
	test(`finds ${expected} behind X-Forwarded-For: ${value?.slice(0, 50)}`, () => {
		assert.equal(find('x-forwarded-for', value), expected);
	});
}

for (const [value, expected] of [
	[undefined, '10.0.0.1'],
	['for=203.0.113.7', '203.0.113.7'],
	['For="203.0.113.7:443";proto=https;by=10.0.0.1', '203.0.113.7'],
	['for="[2001:db8::7]"', '2001:db8::7'],
	['for="[2001:db8::7]:443";host="a, b;c"', '2001:db8::7'],
	['for=1.1.1.1, for=203.0.113.7, for=10.0.0.2', '203.0.113.7'],
	['for=203.0.113.7 ; proto=https , for=10.0.0.2', '203.0.113.7'],
	['for=unknown, for=203.0.113.7', '203.0.113.7'],
	['proto=https, for=203.0.113.7', '203.0.113.7'],
	['for=unknown', 'malformed'],
	['for=_hidden', 'malformed'],
	['proto=https', 'malformed'],
	['for=2001:db8::7', 'malformed'],
	['for="2001:db8::7"', 'malformed'],
	['for=[2001:db8::7]', 'malformed'],
	['for=203.0.113.7;for=1.1.1.1', 'malformed'],
	['for = 203.0.113.7', 'malformed'],
	['203.0.113.7', 'malformed'],
	['for=', 'malformed'],
	['', 'malformed'],
	['for=203.0.113.7,', 'malformed'],
	['for=203.0.113.7;', 'malformed'],
	['for="203.0.113.7', 'malformed'],
	['for="203.0.113.\\7"', 'malformed'],
	// What a client sends is on the left; an open quote there swallows what the hop appends, and makes no address of it.
	['for="x, for=203.0.113.7', 'malformed'],
	['for="x, for="203.0.113.7:443"', 'malformed'],
	['for=1.1.1.1;x=", for="[2001:db8::7]"', 'malformed'],
] as const) {
	test(`finds ${expected} behind Forwarded: ${value?.slice(0, 60)}`, () => {
		assert.equal(find('forwarded', value), expected);
	});
}

test('believes nobody but its hops, whatever a client writes to the left of what the first hop has written', () => {
	const parts = fc.constantFrom('for=', '"', ',', ';', '203.0.113.9', '10.0.0.2', '[', ']', ':', '\\', ' ', 'by=', 'x');
	fc.assert(
		fc.property(fc.array(parts, { maxLength: 20 }), fc.boolean(), (forged, isQuoted) => {
			const own = isQuoted ? 'for="203.0.113.7:1"' : 'for=203.0.113.7';
			const found = find('forwarded', `${forged.join('')}, ${own}`);
			assert.ok(found === '203.0.113.7' || found === 'malformed', found);
			const other = find('x-forwarded-for', `${forged.join('')}, 203.0.113.7`);
			assert.equal(other === '203.0.113.7' || other === 'malformed', true, other);
		}),
		{ numRuns: 5000 },
	);
});
