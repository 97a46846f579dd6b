import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CommandFailure, EXIT } from './command-failure.ts';
import { readOperatorSettings } from './operator-settings.ts';

const SETTINGS = { admin: 'https://localhost:8445', caFile: 'ca.pem', certificateFile: 'o.pem', keyFile: 'o.key' };

/** Reads the settings of a data folder whose operator.json holds `text`. */
function readFrom(t: TestContext, text: string) {
	const data = mkdtempSync(join(tmpdir(), 'sallyport-settings-'));
	t.after(() => {
		rmSync(data, { recursive: true });
	});
	writeFileSync(join(data, 'operator.json'), text);
	const read = readOperatorSettings(
		{ data },
		{
			stdout: () => assert.fail('nothing is printed'),
			stderr: () => assert.fail('nothing is printed'),
			isTerminal: false,
			signal: new AbortController().signal,
			env: {},
			cwd: data,
			setExitCode: () => assert.fail('the command decides'),
		},
	);
	return { data, read };
}

test('reads the file of the data folder; paths in it start there', async (t) => {
	const { data, read } = readFrom(t, JSON.stringify(SETTINGS));
	assert.deepEqual(await read, {
		url: 'https://localhost:8445',
		caFile: join(data, 'ca.pem'),
		certificateFile: join(data, 'o.pem'),
		keyFile: join(data, 'o.key'),
	});
});

test('calls a file damaged that is cut off, of another shape, or lacks a member', async (t) => {
	const whole = JSON.stringify(SETTINGS);
	const damaged = ['', whole.slice(0, -1), 'null', '[]', '"text"', ...Object.keys(SETTINGS).flatMap(without)];
	for (const text of damaged) {
		await assert.rejects(
			readFrom(t, text).read,
			(error) => error instanceof CommandFailure && error.exitCode === EXIT.invalid && /is damaged/.test(error.message),
			text,
		);
	}
});

/** The settings without one member, and with a number in its place. */
function without(name: string): string[] {
	return [undefined, 7].map((value) => JSON.stringify({ ...SETTINGS, [name]: value }));
}
