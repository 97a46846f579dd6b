import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GrpcMessages } from './grpc-messages.ts';

function message(bytes: Uint8Array): Buffer {
	const prefix = Buffer.alloc(5);
	prefix.writeUInt32BE(bytes.length, 1);
	return Buffer.concat([prefix, bytes]);
}

test('counts whole messages however they are cut into pieces', () => {
	fc.assert(
		fc.property(
			fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
			fc.array(fc.nat(200), { maxLength: 12 }),
			(bodies, cuts) => {
				const whole = Buffer.concat(bodies.map(message));
				const messages = new GrpcMessages(40, 8);
				const places = [0, ...cuts.map((cut) => Math.min(cut, whole.length)), whole.length].toSorted((a, b) => a - b);
				for (let index = 1; index < places.length; index++) {
					assert.equal(messages.take(whole.subarray(places[index - 1], places[index])), undefined);
				}
				assert.equal(messages.count, bodies.length);
				assert.ok(messages.isWhole);
			},
		),
	);
});

test('no true part of a message is whole', () => {
	const whole = message(Buffer.from('hello'));
	for (let length = 1; length < whole.length; length++) {
		const messages = new GrpcMessages(5, 1);
		assert.equal(messages.take(whole.subarray(0, length)), undefined);
		assert.equal(messages.isWhole, false, String(length));
	}
});

test('refuses what is compressed, too large by its prefix alone, or one too many', () => {
	assert.equal(new GrpcMessages(100, 1).take(Buffer.from([1])), 'compressed');
	assert.equal(new GrpcMessages(100, 1).take(Buffer.from([2])), 'compressed');
	assert.equal(new GrpcMessages(100, 1).take(Buffer.from([0, 0, 0, 0, 101])), 'too-large');
	assert.equal(new GrpcMessages(100, 1).take(Buffer.from([0, 0xff, 0xff, 0xff, 0xff])), 'too-large');
	const messages = new GrpcMessages(100, 1);
	assert.equal(messages.take(message(Buffer.alloc(100))), undefined);
	assert.equal(messages.take(Buffer.from([0])), 'too-many');
});
