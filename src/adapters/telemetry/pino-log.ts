// The operator's log as JSON lines, written by pino to a file or to a descriptor of the process.
import { type DestinationStream, destination, pino } from 'pino';
import type { Log } from '../../kernel/log.ts';

/** Opens a log. `target` is a file (appended to, mode 0600) or a descriptor, such as 1 for standard output. */
export function openPinoLog(target: string | 1 | 2): Log & { flush(): void } {
	const stream = destination(
		typeof target === 'number' ? { dest: target, sync: true } : { dest: target, sync: true, mkdir: true, mode: 0o600 },
	);
	const logger = pino(
		{
			base: null,
			messageKey: 'body',
			timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
			formatters: { level: (label) => ({ severity_text: label.toUpperCase() }) },
		},
		stream as DestinationStream,
	);
	return {
		info: (message, fields) => logger.info(fields ?? {}, message),
		warn: (message, fields) => logger.warn(fields ?? {}, message),
		error: (message, fields) => logger.error(fields ?? {}, message),
		flush: () => stream.flushSync(),
	};
}
