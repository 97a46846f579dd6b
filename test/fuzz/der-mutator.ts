// Damages DER: at random places, and along its structure. Structural damage keeps the lengths around it right, so that it
// gets past the first check and meets the code behind; some of it writes lengths that BER allows and DER does not.
import type { Chance } from '../fixture/seeded-chance.ts';

interface Node {
	tag: number;
	/** Elements inside of a constructed one; undefined when the content is bytes. */
	inside: Node[] | undefined;
	content: Buffer;
	/** How the length is written. */
	length: 'short' | 'padded' | 'indefinite' | 'wrong';
}

const DEPTH_MAX = 12;
/** Values at which readers of numbers, times, strings and bits go wrong. */
const CONTENTS: readonly Buffer[] = [
	'',
	'00',
	'80',
	'ff',
	'0000',
	'0080',
	'ff80',
	'7fffffffffffffff',
	'80'.repeat(40),
	'ff'.repeat(200),
	'0780',
	'08ff',
	'323630323330303030303030305a',
	'39393939313233313233353935395a',
	'2b06010401ffffffffff7f',
	'8001',
].map((hex) => Buffer.from(hex, 'hex'));

/** Gives a damaged copy of one of the samples. */
export function mutateDer(samples: readonly Buffer[], chance: Chance): Buffer {
	const sample = samples[chance.whole(samples.length)] ?? Buffer.alloc(0);
	if (chance.oneIn(3)) return damageBytes(sample, chance);
	const root = parseNode(sample, 0)?.node;
	if (root === undefined) return damageBytes(sample, chance);
	for (let count = 1 + chance.whole(3); count > 0; count--) damageNode(root, samples, chance);
	const bytes = encodeNode(root);
	return chance.oneIn(8) ? damageBytes(bytes, chance) : bytes;
}

/** An element in an element in an element: for readers that call themselves. */
export function nestedDer(depth: number, tag = 0x30): Buffer {
	let bytes: Buffer = Buffer.alloc(0);
	for (let level = 0; level < depth; level++)
		bytes = Buffer.concat([Buffer.of(tag), encodeLength(bytes.length), bytes]);
	return bytes;
}

function damageBytes(sample: Buffer, chance: Chance): Buffer {
	let bytes: Buffer = Buffer.from(sample);
	for (let count = 1 + chance.whole(4); count > 0; count--) {
		const at = chance.whole(bytes.length + 1);
		const kind = chance.whole(5);
		if (kind === 0) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + chance.whole(8))]);
		else if (kind === 1)
			bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(chance.whole(256)), bytes.subarray(at)]);
		else if (kind === 2) bytes = bytes.subarray(0, at);
		else if (bytes.length > 0) {
			const index = at % bytes.length;
			const before = bytes[index] ?? 0;
			bytes[index] = kind === 3 ? chance.whole(256) : before ^ (1 << chance.whole(8));
		}
	}
	return bytes;
}

function damageNode(root: Node, samples: readonly Buffer[], chance: Chance): void {
	const all = [...walk(root)];
	const node = all[chance.whole(all.length)] ?? root;
	const { inside } = node;
	const index = chance.whole(inside?.length ?? 1);
	switch (chance.whole(10)) {
		case 0:
			inside?.splice(index, 1);
			return;
		case 1:
			if (inside?.[index] !== undefined) inside.splice(index, 0, structuredCloneNode(inside[index]));
			return;
		case 2:
			inside?.reverse();
			return;
		case 3:
			node.tag = chance.oneIn(2)
				? chance.whole(256)
				: ([0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31, 0xa0, 0x1f][chance.whole(9)] ?? 0);
			return;
		case 4:
			node.length = (['padded', 'indefinite', 'wrong'] as const)[chance.whole(3)] ?? 'padded';
			return;
		case 5:
			node.inside = undefined;
			node.content = CONTENTS[chance.whole(CONTENTS.length)] ?? Buffer.alloc(0);
			return;
		case 6:
			node.inside = undefined;
			node.content = Buffer.from(Array.from({ length: chance.whole(60) }, () => chance.whole(256)));
			return;
		case 7: {
			// A part of another sample in place of this one.
			const other = parseNode(samples[chance.whole(samples.length)] ?? Buffer.alloc(0), 0)?.node;
			const parts = other === undefined ? [] : [...walk(other)];
			Object.assign(node, structuredCloneNode(parts[chance.whole(parts.length)] ?? node));
			return;
		}
		case 8:
			// The same many times: for lists without a bound.
			if (inside?.[index] !== undefined) {
				const copy = inside[index];
				for (let count = chance.whole(200); count > 0; count--) inside.push(structuredCloneNode(copy));
			}
			return;
		default:
			Object.assign(node, {
				tag: 0x30,
				inside: [structuredCloneNode(node)],
				content: Buffer.alloc(0),
				length: 'short',
			});
	}
}

function* walk(node: Node): Generator<Node> {
	yield node;
	for (const one of node.inside ?? []) yield* walk(one);
}

function structuredCloneNode(node: Node): Node {
	return { ...node, inside: node.inside?.map(structuredCloneNode), content: Buffer.from(node.content) };
}

/** Reads one element leniently; what does not open as elements stays bytes. */
function parseNode(bytes: Buffer, depth: number): { readonly node: Node; readonly end: number } | undefined {
	const [tag, first] = bytes;
	if (tag === undefined || first === undefined) return undefined;
	const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
	if (lengthBytes > 3 || bytes.length < 2 + lengthBytes) return undefined;
	const start = 2 + lengthBytes;
	const end = start + (lengthBytes === 0 ? first : bytes.readUIntBE(2, lengthBytes));
	if (end > bytes.length) return undefined;
	const content = bytes.subarray(start, end);
	const isConstructed = (tag & 0x20) !== 0 || tag === 0x04;
	const inside = isConstructed && depth < DEPTH_MAX ? parseNodes(content, depth + 1) : undefined;
	return { node: { tag, inside, content, length: 'short' }, end };
}

function parseNodes(bytes: Buffer, depth: number): Node[] | undefined {
	const nodes: Node[] = [];
	for (let at = 0; at < bytes.length; ) {
		const parsed = parseNode(bytes.subarray(at), depth);
		if (parsed === undefined) return undefined;
		nodes.push(parsed.node);
		at += parsed.end;
	}
	return nodes.length === 0 ? undefined : nodes;
}

function encodeNode({ tag, inside, content, length }: Node): Buffer {
	const body = inside === undefined ? content : Buffer.concat(inside.map(encodeNode));
	switch (length) {
		case 'short':
			return Buffer.concat([Buffer.of(tag), encodeLength(body.length), body]);
		case 'padded':
			return Buffer.concat([
				Buffer.of(tag, 0x83, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff),
				body,
			]);
		case 'indefinite':
			return Buffer.concat([Buffer.of(tag, 0x80), body, Buffer.of(0, 0)]);
		case 'wrong':
			return Buffer.concat([Buffer.of(tag), encodeLength(body.length + 1), body]);
	}
}

function encodeLength(length: number): Buffer {
	if (length < 0x80) return Buffer.of(length);
	if (length < 0x100) return Buffer.of(0x81, length);
	return length < 0x1_0000
		? Buffer.of(0x82, length >> 8, length & 0xff)
		: Buffer.of(0x83, length >> 16, (length >> 8) & 0xff, length & 0xff);
}
