import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartnerId, TrustAnchorId } from '../../kernel/ids.ts';
import { ok } from '../../kernel/result.ts';
import type { Connection } from '../certificate/connection.ts';
import type { VerifiedCertificate } from '../certificate/verify-client-certificate.ts';
import { whereFrom } from './request-origin.ts';

const dates = { notBeforeMs: 0, notAfterMs: 1 };

function sourceOfCertificate(certificate: VerifiedCertificate): string {
	const connection: Connection = { address: '192.0.2.1', serverName: undefined, certificate: ok(certificate) };
	return whereFrom(connection).source.key;
}

test('all certificates below one anchor of a partner are one source, each of ours is one of its own', () => {
	const below = (thumbprint: string, anchor: string): string => {
		const anchorId = anchor as TrustAnchorId;
		const anchored = { anchorId, partnerId: 'prt' as PartnerId, names: [], links: [] };
		return sourceOfCertificate({ thumbprint, serial: '1', profile: 'anchored', anchored, ...dates });
	};
	assert.equal(below('one', 'anc_a'), below('two', 'anc_a'));
	assert.notEqual(below('one', 'anc_a'), below('one', 'anc_b'));
	const own = (thumbprint: string): string =>
		sourceOfCertificate({ thumbprint, serial: '1', profile: 'partner-client', ...dates });
	assert.notEqual(own('one'), own('two'));
});
