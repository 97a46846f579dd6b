// Where the platform listens: no two listeners in one place, names that fit, the owner's certificates.
import type { PathStep } from './config-problem.ts';
import type { Configuration, OwnCertificate, TlsListener } from './configuration.ts';
import type { TlsListenerInput } from './configuration-schema.ts';
import { type Draft, refuseRepeats } from './draft.ts';
import { readIdentity } from './identity-files.ts';
import { protectionOf } from './source-settings.ts';

const EVERYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '::']);
const LOOPBACK = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/;
const TLS_LISTENERS = ['gateway', 'authorizationServer', 'admin'] as const;

/** Checks the listeners and reads their certificates. */
export async function checkListeners(draft: Draft): Promise<Configuration['listeners']> {
	const { listeners, issuer } = draft.input;
	refuseSharedPorts(draft);
	warnOfExposure(draft);
	const issuerHost = new URL(issuer).hostname;
	if (!listeners.authorizationServer.names.includes(issuerHost)) {
		const message = `the host ${issuerHost} is not among the names of the authorization server`;
		draft.problems.add(
			['issuer'],
			message,
			'Add it to listeners.authorizationServer.names; requests to it would be refused.',
		);
	}
	const [gateway, authorizationServer, admin] = await Promise.all(
		TLS_LISTENERS.map((name) => readListener(draft, name)),
	);
	return {
		gateway: gateway as TlsListener,
		authorizationServer: authorizationServer as TlsListener,
		admin: admin as TlsListener,
		private: listeners.private,
		...(listeners.pki === undefined ? undefined : { pki: listeners.pki }),
	};
}

async function readListener(draft: Draft, name: (typeof TLS_LISTENERS)[number]): Promise<TlsListener> {
	const listener: TlsListenerInput = draft.input.listeners[name];
	const { host, port, names, timeouts } = listener;
	refuseRepeats(draft, ['listeners', name, 'names'], [...names, ...listener.certificates.flatMap((one) => one.names)]);
	const certificate = await readOwnCertificate(draft, ['listeners', name], listener, names);
	const certificates: TlsListener['certificates'][number][] = [];
	for (const [index, one] of listener.certificates.entries()) {
		const read = await readOwnCertificate(draft, ['listeners', name, 'certificates', index], one, one.names);
		if (read !== undefined) certificates.push({ ...read, names: one.names });
	}
	return {
		host,
		port,
		names,
		protection: protectionOf(listener),
		...(certificate === undefined ? undefined : { certificate }),
		certificates,
		postQuantum: listener.tls.postQuantum,
		timeouts: {
			handshakeMs: timeouts.handshake,
			headersMs: timeouts.headers,
			bodyMs: timeouts.body,
			answerMs: timeouts.answer,
			idleMs: timeouts.idle,
		},
		http2: name === 'gateway' && draft.input.listeners.gateway.http2,
	};
}

async function readOwnCertificate(
	draft: Draft,
	path: readonly PathStep[],
	files: { readonly certificateFile?: string | undefined; readonly keyFile?: string | undefined },
	names: readonly string[],
): Promise<OwnCertificate | undefined> {
	const identity = await readIdentity(draft, path, files, names);
	if (identity === undefined || files.certificateFile === undefined || files.keyFile === undefined) return undefined;
	return { ...identity, certificateFile: draft.resolve(files.certificateFile), keyFile: draft.resolve(files.keyFile) };
}

function refuseSharedPorts(draft: Draft): void {
	const taken: { readonly name: string; readonly host: string; readonly port: number }[] = [];
	for (const [name, listener] of Object.entries(draft.input.listeners)) {
		if (listener === undefined) continue;
		const { host, port } = listener;
		const other = taken.find((entry) => entry.port === port && port !== 0 && overlap(entry.host, host));
		if (other !== undefined) {
			const message = `port ${port} is taken by listeners.${other.name}`;
			draft.problems.add(['listeners', name, 'port'], message, 'Give each listener a port of its own.');
		}
		taken.push({ name, host, port });
	}
}

function overlap(a: string, b: string): boolean {
	return a === b || EVERYWHERE.has(a) || EVERYWHERE.has(b);
}

function warnOfExposure(draft: Draft): void {
	const { admin, private: probes } = draft.input.listeners;
	if (!LOOPBACK.test(probes.host)) {
		const message = 'metrics and probes are served without TLS and authentication beyond this machine';
		draft.warnings.add(
			['listeners', 'private', 'host'],
			message,
			'Use 127.0.0.1, or make sure that partners cannot reach it.',
		);
	}
	if (EVERYWHERE.has(admin.host)) {
		draft.warnings.add(
			['listeners', 'admin', 'host'],
			'the admin API listens on every network',
			'Name the address of the network that operators use.',
		);
	}
}
