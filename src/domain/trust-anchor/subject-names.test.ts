// Check 59: by which names a certificate may stand for a client, and which certificates are refused for a name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCertificate, nameOf, SAN, type SanName } from '../../../test/fixture/partner-ca.ts';
import { derElement, derObjectIdentifier, derSequence, derSetOfOne } from '../certificate/der.ts';
import { OID } from '../certificate/object-identifier.ts';
import { parseCertificate } from '../certificate/x509-parse.ts';
import { canonicalName } from './distinguished-name.ts';
import { identifyingNames, readAttributeValue, readSubjectNames } from './subject-names.ts';

/** Attribute and value of each name that counts, or why there is none. */
function namesOf(names: readonly SanName[], subject: string | Buffer = derSequence()): readonly string[] | 'refused' {
	const tbs = parseCertificate(makeCertificate({ names, subject }).der)?.tbs;
	assert.ok(tbs);
	const read = readSubjectNames(tbs);
	return read === undefined
		? 'refused'
		: [...identifyingNames(read)].map(([attribute, value]) => `${attribute} ${value}`);
}

test('exactly one name of a kind counts, byte for byte', () => {
	assert.deepEqual(namesOf([[SAN.uri, 'spiffe://a.example/b']]), ['san_uri spiffe://a.example/b']);
	assert.deepEqual(namesOf([[SAN.uri, 'https://A.example/B?c#d']]), ['san_uri https://A.example/B?c#d']);
	assert.deepEqual(namesOf([[SAN.dns, 'App.A.example']]), ['san_dns app.a.example']);
	assert.deepEqual(namesOf([[SAN.email, 'Pay@a.example']]), ['san_email Pay@a.example']);
	assert.deepEqual(namesOf([[SAN.ip, Uint8Array.of(192, 0, 2, 1)]]), ['san_ip 192.0.2.1']);
});

test('check 59: two URIs are none, and neither is a name that stands in the CN only', () => {
	const two: readonly SanName[] = [
		[SAN.uri, 'spiffe://a.example/b'],
		[SAN.uri, 'spiffe://a.example/c'],
	];
	assert.deepEqual(namesOf(two), []);
	assert.deepEqual(namesOf([...two, [SAN.dns, 'a.example']]), ['san_dns a.example']);
	assert.deepEqual(namesOf([], 'spiffe://a.example/b'), ['subject_dn CN=spiffe://a.example/b']);
	assert.deepEqual(namesOf([], 'a.example'), ['subject_dn CN=a.example']);
});

test('check 59: a certificate with NUL, a wildcard or an odd SPIFFE id in a name is refused as a whole', () => {
	for (const name of [
		[SAN.uri, 'spiffe://a.example/b\0.evil.example'],
		[SAN.dns, 'a.example\0.evil.example'],
		[SAN.dns, '*.a.example'],
		[SAN.dns, 'a.example.'],
		[SAN.dns, ''],
		[SAN.dns, '192.0.2.1'],
		[SAN.uri, 'spiffe://*/b'],
		[SAN.uri, 'spiffe://a.example/b?c'],
		[SAN.uri, 'spiffe://a.example/b#c'],
		[SAN.uri, 'spiffe://a.example:443/b'],
		[SAN.uri, 'spiffe://A.example/b'],
		[SAN.uri, 'SPIFFE://a.example/b'],
		[SAN.uri, 'spiffe://user@a.example/b'],
		[SAN.uri, 'spiffe://a.example/%62'],
		[SAN.uri, 'spiffe://a.example//b'],
		[SAN.uri, 'spiffe://a.example/b/'],
		[SAN.uri, 'spiffe://a.example/../b'],
		[SAN.uri, 'spiffe://a.example'],
		[SAN.uri, 'no scheme'],
		[SAN.uri, 'https://a.example/\u00e9'],
		[SAN.email, 'pay@*.example'],
		[SAN.email, 'a@b@c.example'],
		[SAN.ip, Uint8Array.of(192, 0, 2)],
	] as const satisfies readonly SanName[]) {
		assert.equal(namesOf([name, [SAN.email, 'pay@a.example']]), 'refused', String(name[1]));
	}
});

test('a distinguished name is compared in one spelling, whatever its encoding', () => {
	const [o, cn] = ['2.5.4.10', OID.commonName];
	const subject = nameOf(['2.5.4.6', 'DE'], [o, 'Acme, "Inc" + Söhne'], [cn, ' pay\\ments ']);
	const canonical = 'CN=\\ pay\\\\ments\\ ,O=Acme\\, \\"Inc\\" \\+ Söhne,C=DE';
	assert.deepEqual(namesOf([], subject), [`subject_dn ${canonical}`]);
	assert.equal(canonicalName(canonical), canonical);
	assert.equal(canonicalName('cn=\\20pay\\5cments\\20, o=Acme\\2c \\22Inc\\22 \\2b S\\c3\\b6hne , C=DE'), canonical);
	const printable = (value: string): Buffer =>
		derSequence(derSetOfOne(derSequence(derObjectIdentifier(cn), derElement(0x13, Buffer.from(value, 'latin1')))));
	assert.deepEqual(namesOf([], printable('pay')), ['subject_dn CN=pay']);
	// Several values in one place, old encodings, NUL, and text that is turned around name nobody.
	const attribute = derSequence(derObjectIdentifier(cn), derElement(0x13, Buffer.from('x')));
	for (const odd of [
		derSequence(derElement(0x31, attribute, attribute)),
		derSequence(derSetOfOne(derSequence(derObjectIdentifier(cn), derElement(0x1e, Buffer.from('\0x', 'latin1'))))),
		nameOf([cn, 'a\0b']),
		nameOf([cn, 'a\u202eb']),
		nameOf([cn, '']),
	]) {
		assert.deepEqual(namesOf([], odd), []);
	}
	for (const text of [
		'',
		'CN',
		'=x',
		'CN=',
		'CN=a+O=b',
		'CN=#0401',
		'XX=a',
		'CN=a\\',
		'CN=a\\zz',
		'CN="a"',
		'CN=a,',
		'1.=a',
		'CN=\\ff',
	]) {
		assert.equal(canonicalName(text), undefined, text);
	}
});

test('a value is registered only in a form that can be compared', () => {
	assert.equal(readAttributeValue('san_dns', 'App.A.example'), 'app.a.example');
	assert.equal(readAttributeValue('san_ip', '2001:DB8:0::1'), '2001:db8::1');
	assert.equal(readAttributeValue('subject_dn', 'cn=a, o=b'), 'CN=a,O=b');
	for (const [attribute, text] of [
		['san_dns', '*.a.example'],
		['san_ip', '192.0.2.0/24'],
		['san_uri', 'spiffe://A.example/b'],
		['san_email', 'nobody'],
		['subject_dn', 'nobody'],
	] as const) {
		assert.equal(readAttributeValue(attribute, text), undefined, text);
	}
});
