import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGrpcMethodName, isMetadataName } from './grpc-rule.ts';
import {
	encodeGrpcMessage,
	formatGrpcTimeout,
	isGrpcMediaType,
	meansGrpc,
	parseGrpcStatus,
	parseGrpcTimeout,
} from './grpc-wire.ts';

test('reads every unit of a deadline, and nothing else', () => {
	const good: [string, number][] = [
		['1H', 3_600_000],
		['2M', 120_000],
		['3S', 3000],
		['4m', 4],
		['5u', 0.005],
		['0S', 0],
	];
	for (const [text, ms] of good) assert.equal(parseGrpcTimeout(text), ms, text);
	for (const text of [
		'',
		'1',
		'S',
		'123456789S',
		'1s',
		'1h',
		'-1S',
		'+1S',
		'1.5S',
		' 1S',
		'1S ',
		'1S, 2S',
		'0x1S',
		'١S',
	]) {
		assert.equal(parseGrpcTimeout(text), undefined, text);
	}
});

test('a deadline that is passed on is never later than the one that came', () => {
	fc.assert(
		fc.property(fc.double({ min: 0, max: 99_999_998, noNaN: true }), (ms) => {
			const passed = parseGrpcTimeout(formatGrpcTimeout(ms));
			assert.ok(passed !== undefined && passed <= ms && passed >= ms - 1);
		}),
	);
});

test('takes a status once, in its canonical spelling', () => {
	for (let status = 0; status <= 16; status++) assert.equal(parseGrpcStatus(String(status)), status);
	for (const text of ['', '17', '00', '01', '-1', ' 0', '0, 0', 'OK', undefined, ['0', '0']]) {
		assert.equal(parseGrpcStatus(text), undefined, String(text));
	}
});

test('tells what means to be gRPC from what is taken', () => {
	for (const type of ['application/grpc', 'application/grpc+proto'])
		assert.ok(isGrpcMediaType(type) && meansGrpc(type));
	for (const type of ['application/grpc+json', 'application/grpc; charset=utf-8', 'application/grpc;x']) {
		assert.ok(meansGrpc(type) && !isGrpcMediaType(type), type);
	}
	for (const type of [
		undefined,
		'',
		'application/json',
		'application/grpc-web',
		'application/grpc-web+proto',
		'Application/Grpc',
	]) {
		assert.ok(!meansGrpc(type) && !isGrpcMediaType(type), String(type));
	}
});

test('writes messages in printable ASCII that decode to what was meant', () => {
	fc.assert(
		fc.property(fc.string({ unit: 'grapheme' }), (text) => {
			const encoded = encodeGrpcMessage(text);
			assert.match(encoded, /^[\x20-\x7e]*$/);
			assert.equal(decodeURIComponent(encoded), text);
		}),
	);
});

test('knows names of methods and of metadata', () => {
	for (const name of ['Greeter/SayHello', 'bank.ledger.v1.Ledger/Get_1']) assert.ok(isGrpcMethodName(name), name);
	for (const name of [
		'',
		'Greeter',
		'/Greeter/SayHello',
		'a..b/C',
		'a.b/',
		'a/b/c',
		'a.b/C%2e',
		'../a',
		'a b/C',
		'1a/B',
	]) {
		assert.equal(isGrpcMethodName(name), false, name);
	}
	for (const name of ['x-branch', 'trace-bin', 'a']) assert.ok(isMetadataName(name), name);
	for (const name of [
		'',
		'X-Branch',
		'grpc-timeout',
		'te',
		'authorization',
		'sallyport-assertion',
		'x_y',
		':path',
		'host',
		'content-type',
	]) {
		assert.equal(isMetadataName(name), false, name);
	}
});
