// The command `sallyport demo` (and `npm start`): the platform, a bank behind it, and a partner onboarded through the same
// admin API as a real one. Prints calls that work and calls that are refused, each ready to paste.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CommandIo } from '../src/cli/command-io.ts';
import type { Platform } from '../src/platform/control/platform-options.ts';
import { PortTaken } from '../src/platform/control/taken-port.ts';
import { tryStart, untilAborted } from '../src/platform/control/run-start.ts';
import type { Secret } from '../src/kernel/secret.ts';
import type { BankThreadData } from './bank/thread.ts';
import { DEMO_BANK_AUDIENCE, DEMO_TRUST_DOMAIN, demoConfiguration } from './configuration.ts';
import { describeDemo } from './describe-demo.ts';
import { type DemoPartner, onboardDemoPartner } from './onboard.ts';

export interface DemoCommand {
	readonly data: string;
	readonly portBase: string;
	readonly keyEncryptionKey: Secret | undefined;
}

/** Runs the demo until `io.signal` aborts. */
export async function runDemo(command: DemoCommand, io: CommandIo): Promise<void> {
	const portBase = Number(command.portBase);
	if (!Number.isInteger(portBase) || portBase < 1024 || portBase > 65_530) {
		io.stderr('--port-base takes a whole number from 1024 to 65530: the first of six ports.\n');
		io.setExitCode(2);
		return;
	}
	const data = resolve(io.cwd, command.data);
	const started = performance.now();
	io.stderr(`Starting the demo platform in ${data} …\n`);
	const configuration = await writeConfiguration(data, portBase);
	let bank: Worker | undefined;
	let partner: DemoPartner | undefined;
	const platform = await tryStart(
		{
			config: configuration.file,
			data,
			log: join(data, 'log', 'sallyport.log'),
			keyEncryptionKey: command.keyEncryptionKey,
		},
		io,
		async (starting) => {
			bank = await startBankThread(starting, portBase + 4);
			partner = await onboardDemoPartner({ data, folder: join(data, 'demo'), portBase, signal: io.signal });
			await writeDemoFile(data, portBase, partner);
		},
	);
	if (platform === undefined || partner === undefined) {
		await stopBank(bank);
		// The folder may be that of a demo that runs: its configuration is what it was.
		await configuration.restore();
		return;
	}
	io.stderr(`Ready after ${Math.round(performance.now() - started)} ms.\n`);
	io.stdout(describeDemo({ data, portBase, partner, cwd: io.cwd }));
	await untilAborted(io.signal);
	io.stderr('\nStopping: running requests end, the ledger is signed and closed …\n');
	await platform.stop();
	await stopBank(bank);
}

interface WrittenConfiguration {
	readonly file: string;
	/** Gives the file back the text that it had. */
	restore(): Promise<void>;
}

async function writeConfiguration(data: string, portBase: number): Promise<WrittenConfiguration> {
	const folder = join(data, 'demo');
	await mkdir(folder, { recursive: true, mode: 0o700 });
	const document = await readFile(new URL('./bank/bank.openapi.yaml', import.meta.url), 'utf8');
	await writeFile(join(folder, 'bank.openapi.yaml'), document);
	const file = join(folder, 'sallyport.yaml');
	const text = demoConfiguration({ portBase, documentFile: './bank.openapi.yaml' });
	const earlier = existsSync(file) ? await readFile(file, 'utf8') : text;
	await writeFile(file, text);
	return { file, restore: () => writeFile(file, earlier) };
}

/** Starts the bank with a server certificate of the platform CA; resolves when it listens. */
async function startBankThread(platform: Platform, port: number): Promise<Worker> {
	const identity = await platform.provideServerIdentity('demo-bank', ['localhost', '127.0.0.1']);
	const workerData: BankThreadData = {
		port,
		tls: { key: identity.key, cert: identity.chain, ca: platform.rootCa },
		assertion: {
			issuer: `spiffe://${DEMO_TRUST_DOMAIN}/service/gateway`,
			audience: DEMO_BANK_AUDIENCE,
			jwks: {
				url: `${platform.configuration.issuer}/.well-known/sallyport-assertion-jwks.json`,
				ca: platform.rootCa,
			},
		},
	};
	const worker = new Worker(new URL('./bank/thread.ts', import.meta.url), { name: 'demo bank', workerData });
	await new Promise<void>((listening, failed) => {
		worker.once('message', () => listening());
		worker.once('error', (error: NodeJS.ErrnoException) => {
			failed(error.code === 'EADDRINUSE' ? new PortTaken('127.0.0.1', port) : error);
		});
	});
	return worker;
}

async function stopBank(bank: Worker | undefined): Promise<void> {
	// A thread that has ended has no number any more, and would never answer.
	if (bank === undefined || bank.threadId === -1) return;
	const exited = new Promise((done) => bank.once('exit', done));
	bank.postMessage('stop');
	await exited;
}

/** The file from which programs find everything of the demo; paths are relative to its folder. */
async function writeDemoFile(data: string, portBase: number, partner: DemoPartner): Promise<void> {
	const demo = {
		gateway: `https://localhost:${portBase}`,
		issuer: `https://localhost:${portBase + 1}`,
		tokenEndpoint: `https://localhost:${portBase + 1}/oauth2/token`,
		admin: `https://localhost:${portBase + 2}`,
		private: `http://127.0.0.1:${portBase + 3}`,
		caFile: '../ca.pem',
		partner,
		operator: { certificateFile: '../operator/operator.pem', keyFile: '../operator/operator.key' },
	};
	await writeFile(join(data, 'demo', 'demo.json'), `${JSON.stringify(demo, null, '\t')}\n`);
}
