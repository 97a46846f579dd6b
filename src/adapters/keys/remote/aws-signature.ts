// AWS Signature Version 4: proves with an HMAC over the whole request who sends it (AWS General Reference, "Signing AWS
// API requests"). Only what JSON services need: one path, no query, a body in memory.
import { createHash, createHmac } from 'node:crypto';
import type { Secret } from '../../../kernel/secret.ts';

export interface AwsCredentials {
	readonly accessKeyId: string;
	readonly secretAccessKey: Secret;
	/** Of temporary credentials. */
	readonly sessionToken?: Secret;
}

/** What is signed. `headers` are all that are sent, but for `authorization`. */
export interface SignableRequest {
	readonly method: string;
	readonly url: URL;
	/** Names in lower case. */
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
}

/** The moment of a request in the form of AWS: `20261123T101500Z`. */
export function awsTime(nowMs: number): string {
	return new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}

/** Gives the value of `Authorization`. The headers must hold `host` and `x-amz-date`. */
export function signAwsRequest(
	request: SignableRequest,
	credentials: Pick<AwsCredentials, 'accessKeyId' | 'secretAccessKey'>,
	scope: { readonly region: string; readonly service: string },
): string {
	const time = request.headers['x-amz-date'] ?? '';
	const day = time.slice(0, 8);
	const names = Object.keys(request.headers).sort();
	const canonical = [
		request.method,
		request.url.pathname,
		'',
		...names.map((name) => `${name}:${(request.headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
		'',
		names.join(';'),
		sha256(request.body),
	].join('\n');
	const scopeText = `${day}/${scope.region}/${scope.service}/aws4_request`;
	const toSign = ['AWS4-HMAC-SHA256', time, scopeText, sha256(canonical)].join('\n');
	let key: Buffer = Buffer.from(`AWS4${credentials.secretAccessKey.reveal()}`, 'utf8');
	for (const part of [day, scope.region, scope.service, 'aws4_request']) key = hmac(key, part);
	const signature = hmac(key, toSign).toString('hex');
	const credential = `${credentials.accessKeyId}/${scopeText}`;
	return `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
}

function sha256(text: string): string {
	return createHash('sha256').update(text, 'utf8').digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
	return createHmac('sha256', key).update(text, 'utf8').digest();
}
