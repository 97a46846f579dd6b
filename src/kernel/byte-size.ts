// Sizes as people write them in configuration: `512B`, `64KiB`, `1MiB`, `2GiB`. Binary units only.

const UNIT_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const SIZE = /^(\d{1,12})(B|KiB|MiB|GiB)$/;

/** Reads a size such as `64KiB` into bytes; undefined when the text is not one. */
export function parseByteSize(text: string): number | undefined {
	const match = SIZE.exec(text);
	if (match === null) return undefined;
	return Number(match[1]) * (UNIT_BYTES[match[2] ?? ''] ?? Number.NaN);
}

/** Writes bytes in the largest unit that divides them, in the form that `parseByteSize` reads. */
export function formatByteSize(bytes: number): string {
	for (const unit of ['GiB', 'MiB', 'KiB'] as const) {
		const size = UNIT_BYTES[unit] ?? 1;
		if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
	}
	return `${bytes}B`;
}
