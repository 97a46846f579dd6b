// The kinds of values that a configuration is made of: texts with a syntax, durations, sizes, host names, addresses.
// Each refusal has a message that says what is wrong and a remedy that shows a right value.
import { z } from 'zod';
import { isDnsName } from '../domain/certificate/host-name.ts';
import { parseIpAddress } from '../domain/network/ip-address.ts';
import { formatByteSize, parseByteSize } from '../kernel/byte-size.ts';
import { formatDurationMs, parseDurationMs } from '../kernel/duration.ts';

/** What is wrong with a text, and how to write it. */
interface Complaint {
	readonly message: string;
	readonly remedy: string;
}

/** A text that `check` finds no fault with. */
export function checkedText(check: (text: string) => Complaint | undefined) {
	return z.string().superRefine((text, context) => {
		const complaint = check(text);
		if (complaint !== undefined) addComplaint(context, complaint);
	});
}

/** A text of a simple syntax. `syntax` is published in the JSON Schema. */
export function patternText(syntax: RegExp, message: string, remedy: string) {
	return checkedText((text) => (syntax.test(text) ? undefined : { message, remedy })).meta({ pattern: syntax.source });
}

/** A duration such as `300s`, in milliseconds after parsing; both bounds are allowed values. */
export function durationMs(minMs: number, maxMs: number) {
	return boundedUnit(
		parseDurationMs,
		formatDurationMs,
		[minMs, maxMs],
		'a duration is a number with a unit: 250ms, 30s, 5m, 1h or 90d',
	);
}

/** A duration in whole seconds; both bounds are allowed values. */
export function durationSeconds(minSeconds: number, maxSeconds: number) {
	return durationMs(minSeconds * 1000, maxSeconds * 1000).transform((ms, context) => {
		if (ms % 1000 === 0) return ms / 1000;
		const remedy = `Write ${formatDurationMs(Math.ceil(ms / 1000) * 1000)}.`;
		addComplaint(context, { message: 'this duration is counted in whole seconds', remedy });
		return z.NEVER;
	});
}

/** A size such as `64KiB`, in bytes after parsing; both bounds are allowed values. */
export function byteSize(minBytes: number, maxBytes: number) {
	return boundedUnit(
		parseByteSize,
		formatByteSize,
		[minBytes, maxBytes],
		'a size is a number with a unit: 512B, 64KiB, 1MiB or 2GiB',
	);
}

function boundedUnit(
	parse: (text: string) => number | undefined,
	format: (value: number) => string,
	[min, max]: readonly [number, number],
	syntax: string,
) {
	return z.string().transform((text, context) => {
		const value = parse(text);
		if (value === undefined) {
			addComplaint(context, { message: syntax, remedy: `Write a value from ${format(min)} to ${format(max)}.` });
			return z.NEVER;
		}
		if (value < min || value > max) {
			const message = `${text} is outside of ${format(min)} … ${format(max)}`;
			addComplaint(context, { message, remedy: `Write a value from ${format(min)} to ${format(max)}.` });
			return z.NEVER;
		}
		return value;
	});
}

function addComplaint(context: z.RefinementCtx, { message, remedy }: Complaint): void {
	context.addIssue({ code: 'custom', message, params: { remedy } });
}

/** A path of a file, relative to the folder of the configuration file. Never a URL: loading does no network access. */
export function filePath() {
	return checkedText((text) => {
		if (text === '' || text.length > 1024 || text.includes('\0')) {
			return { message: 'this is no path of a file', remedy: 'Write a path relative to the configuration file.' };
		}
		if (/^[A-Za-z][A-Za-z0-9+.-]+:/.test(text)) {
			return {
				message: 'files are not fetched over a network',
				remedy: 'Save the file beside the configuration and write its path.',
			};
		}
		return undefined;
	});
}

/** A host name or IPv4 address as requests name it: lower case, no port, no wildcard, no trailing dot. */
export function hostName() {
	return checkedText((text) => {
		if (isDnsName(text) || (!text.includes(':') && parseIpAddress(text) !== undefined)) return undefined;
		return {
			message: 'a name is a host name in lower case, without a port',
			remedy: 'Write the host as in the URL that partners use, such as api.bank.example.',
		};
	});
}

const ADDRESS = /^[A-Za-z0-9.:_-]{1,253}$/;

/** An address of this machine to listen at. */
export function listenAddress() {
	return patternText(
		ADDRESS,
		'this is no address to listen at',
		'Write an IP address of this machine, 0.0.0.0 or :: for all of them, or localhost.',
	);
}

/** An https URL in the one form that everybody compares: no user, query, fragment, default port or trailing slash. */
export function canonicalHttpsUrl() {
	return checkedText(explainHttpsUrl).meta({ format: 'uri' });
}

function explainHttpsUrl(text: string): Complaint | undefined {
	const url = URL.parse(text);
	if (url === null || url.protocol !== 'https:') {
		return { message: 'this is no https URL', remedy: 'Write it as https://host[:port][/path].' };
	}
	if (url.username !== '' || url.password !== '') {
		return { message: 'a URL here holds no user and no password', remedy: 'Remove the part before the "@".' };
	}
	if (text.includes('?') || text.includes('#')) {
		return { message: 'a URL here has no query and no fragment', remedy: 'Remove "?", "#" and what follows.' };
	}
	const canonical = url.href.replace(/\/+$/, '');
	if (text === canonical) return undefined;
	return { message: 'this URL is not in its canonical form', remedy: `Write ${canonical}` };
}

/** URL of an internal service: http or https, host, port and path. */
export function upstreamUrl() {
	return checkedText((text) => {
		const url = URL.parse(text);
		if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
			return { message: 'this is no https URL', remedy: 'Write it as https://host[:port][/path].' };
		}
		if (text.includes('@') || text.includes('?') || text.includes('#')) {
			return {
				message: 'the URL of an upstream holds no user, query or fragment',
				remedy: 'Write scheme, host, port and path only; the gateway authenticates by its certificate.',
			};
		}
		return undefined;
	}).meta({ format: 'uri' });
}

/** Path where an API starts: `/accounts/v1`, or `/` for the root. */
export function basePath() {
	return patternText(
		/^\/$|^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}){1,8}$/,
		'a base path is made of plain segments and does not end in a slash',
		'Write it as /accounts/v1, in letters, digits, "-", "_", "~" and "." (not first).',
	);
}

/** An OAuth scope (RFC 6749 §3.3). */
export function scope() {
	return patternText(
		/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/,
		'a scope has no spaces, quotes or backslashes',
		'Write each scope as an item of its own, such as accounts:read.',
	);
}

/** The id of a thing that the configuration defines, as it stands in keys, URLs and records. */
export function identifier(what: string) {
	return patternText(
		/^[a-z][a-z0-9-]{0,62}$/,
		`the name of ${what} begins with a lower-case letter and goes on in a-z, 0-9 and "-"`,
		'Write it as accounts or accounts-read; people read the title, programs read this name.',
	);
}

/** A title that people read. */
export function title() {
	return patternText(
		/^\P{Cc}{1,200}$/u,
		'a title is one line of 1 to 200 characters',
		'Write a short name that partners understand.',
	);
}
