// Durations as people write them in configuration: `300s`, `5m`, `1h30m`, `90d`. No bare numbers: a number
// without a unit is the commonest way in which a time limit becomes a thousand times too long.

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$/;

/** Reads a duration such as `1h30m` into milliseconds; undefined when the text is not one. */
export function parseDurationMs(text: string): number | undefined {
	const match = DURATION.exec(text);
	if (match === null || text === '') return undefined;
	const [, days, hours, minutes, seconds, milliseconds] = match;
	return (
		Number(days ?? 0) * UNIT_MS.d +
		Number(hours ?? 0) * UNIT_MS.h +
		Number(minutes ?? 0) * UNIT_MS.m +
		Number(seconds ?? 0) * UNIT_MS.s +
		Number(milliseconds ?? 0)
	);
}

/** Writes milliseconds in the form that `parseDurationMs` reads, largest units first. */
export function formatDurationMs(ms: number): string {
	let rest = Math.max(0, Math.round(ms));
	let text = '';
	for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
		const count = Math.floor(rest / UNIT_MS[unit]);
		if (count > 0) text += `${count}${unit}`;
		rest -= count * UNIT_MS[unit];
	}
	return text === '' ? '0s' : text;
}
