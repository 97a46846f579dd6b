// Certificates of the bench: one authority for the upstream and for the peers that have none of their own.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalSigner } from '../src/adapters/keys/local-signer.ts';
import { openMemoryStore } from '../src/adapters/store/memory/open-memory-store.ts';
import { loadOrCreateAuthorities } from '../src/domain/certificate/authority.ts';
import { issuePlatformCertificate } from '../src/domain/certificate/issue-platform-certificate.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { systemRandom } from '../src/kernel/random.ts';
import { unwrap } from '../src/kernel/result.ts';

export interface BenchIdentities {
	/** Temporary folder of the bench. */
	readonly folder: string;
	readonly caFile: string;
	readonly serverFile: string;
	readonly serverKeyFile: string;
	readonly serverCombinedFile: string;
	readonly serviceFile: string;
	readonly serviceKeyFile: string;
	readonly serviceCombinedFile: string;
	/** What the load client shows and verifies with. */
	readonly client: { readonly ca: string; readonly certificate: string; readonly key: string };
	/** Where a peer may send its log by UDP; nobody reads it. */
	readonly logAddress: string;
	close(): void;
}

/** Makes the authority and its certificates in a temporary folder. */
export async function createBenchIdentities(): Promise<BenchIdentities> {
	const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
	const deps = { trustDomain: 'bench.example', clock: systemClock, random: systemRandom };
	const authorities = await loadOrCreateAuthorities({
		...deps,
		keys: openMemoryStore().keys,
		openSigner: openLocalSigner,
	});
	const issue = async (subject: Parameters<typeof issuePlatformCertificate>[1]) =>
		unwrap(await issuePlatformCertificate(authorities.platformIssuing, subject, deps));
	const server = await issue({ profile: 'server', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] });
	const service = await issue({ profile: 'service', serviceName: 'gateway' });
	const write = (name: string, text: string): string => {
		const file = join(folder, name);
		writeFileSync(file, text, { mode: 0o600 });
		return file;
	};
	const log = createSocket('udp4');
	log.bind(0, '127.0.0.1');
	await once(log, 'listening');
	log.unref();
	const ca = authorities.root.certificatePem;
	const serverKey = server.privateKeyPem.reveal();
	const serviceKey = service.privateKeyPem.reveal();
	return {
		folder,
		caFile: write('ca.pem', ca),
		serverFile: write('server.pem', server.certificate.chainPem),
		serverKeyFile: write('server.key', serverKey),
		serverCombinedFile: write('server-combined.pem', server.certificate.chainPem + serverKey),
		serviceFile: write('service.pem', service.certificate.chainPem),
		serviceKeyFile: write('service.key', serviceKey),
		serviceCombinedFile: write('service-combined.pem', service.certificate.chainPem + serviceKey),
		client: { ca, certificate: service.certificate.chainPem, key: serviceKey },
		logAddress: `127.0.0.1:${log.address().port}`,
		close: () => log.close(),
	};
}
