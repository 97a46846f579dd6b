import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { guardedLookup } from './upstream-connect.ts';

function resolve(name: string, all: boolean): Promise<string> {
	return new Promise((done) => {
		guardedLookup(name, { all }, (error, address) => {
			const found = Array.isArray(address) ? address.map((one: LookupAddress) => one.address).join(' ') : address;
			done(error === null ? found : (error.code ?? error.message));
		});
	});
}

for (const all of [true, false]) {
	test(`a name that resolves to a metadata address is not connected to (T33; all: ${all})`, async () => {
		assert.equal(await resolve('169.254.169.254', all), 'SALLYPORT_ADDRESS_FORBIDDEN');
	});

	test(`a name that resolves to a service is (all: ${all})`, async () => {
		assert.equal(await resolve('127.0.0.1', all), '127.0.0.1');
	});
}

test('a name that does not resolve is an error of its own', async () => {
	assert.match(await resolve('no-such-name.invalid', true), /ENOTFOUND|EAI_AGAIN/);
});
