// Onboards the demo partner through the admin API, as an operator onboards a real one: partner, client, certificate from
// the partner's own request, subscriptions. Does nothing of it twice: what an earlier start made is used again.
import { X509Certificate } from 'node:crypto';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AdminClient, openAdminClient } from '../src/cli/admin-client.ts';
import { createPartnerKey } from './partner-key.ts';

/** The demo partner, as demo.json shows it; files are relative to its folder. */
export interface DemoPartner {
	readonly id: string;
	readonly clientId: string;
	readonly certificateFile: string;
	readonly keyFile: string;
	readonly scope: string;
	readonly resource: string;
}

/** What an earlier start has registered. */
interface KnownPartner {
	readonly id: string;
	readonly clientId: string;
}

export interface OnboardOptions {
	/** The platform's data folder, with the operator's certificate. */
	readonly data: string;
	/** The demo's own folder. */
	readonly folder: string;
	readonly portBase: number;
	readonly signal: AbortSignal;
}

const FILES = { certificateFile: 'partner.pem', keyFile: 'partner.key' } as const;
const RENEW_BEFORE_MS = 86_400_000;
const ACCOUNTS = ['acc-1001', 'acc-1002'];

/** Gives the demo partner, onboarding what of it is not there yet. */
export async function onboardDemoPartner(options: OnboardOptions): Promise<DemoPartner> {
	const { folder, portBase } = options;
	const known = await readKnownPartner(folder);
	const isComplete = known !== undefined && (await hasLiveCertificate(folder));
	const { id, clientId } = isComplete ? known : await onboard(options, known);
	return {
		id,
		clientId,
		...FILES,
		scope: 'accounts:read payments:write',
		resource: `https://localhost:${portBase}/bank/v1`,
	};
}

async function onboard(options: OnboardOptions, known: KnownPartner | undefined): Promise<KnownPartner> {
	const { data, folder, portBase, signal } = options;
	const admin = await openAdminClient(
		{
			url: `https://localhost:${portBase + 2}`,
			caFile: join(data, 'ca.pem'),
			certificateFile: join(data, 'operator/operator.pem'),
			keyFile: join(data, 'operator/operator.key'),
		},
		signal,
	);
	try {
		const partner = known ?? (await registerPartner(admin, folder));
		await requestCertificate(admin, folder, partner.clientId);
		return partner;
	} finally {
		await admin.close();
	}
}

async function readKnownPartner(folder: string): Promise<KnownPartner | undefined> {
	const file = join(folder, 'partner.json');
	if (!(await exists(file))) return undefined;
	return JSON.parse(await readFile(file, 'utf8')) as KnownPartner;
}

async function registerPartner(admin: AdminClient, folder: string): Promise<KnownPartner> {
	const partner = await admin.post('/partners', { body: { name: 'Demo Partner' } });
	const id = String(partner.body['id']);
	const client = await admin.post(`/partners/${id}/clients`, {
		body: { name: 'demo client', environment: 'production' },
	});
	const clientId = String(client.body['id']);
	for (const productId of ['accounts-read', 'payments']) {
		await admin.post(`/clients/${clientId}/subscriptions`, {
			body: { productId, planId: 'standard', stage: 'live', grants: { account: ACCOUNTS } },
		});
	}
	await writeFile(join(folder, 'partner.json'), JSON.stringify({ id, clientId }));
	return { id, clientId };
}

async function requestCertificate(admin: AdminClient, folder: string, clientId: string): Promise<void> {
	const { keyPem, csrPem } = createPartnerKey('demo partner');
	const issued = await admin.post(`/clients/${clientId}/certificates`, { body: { csr: csrPem } });
	await writeFile(join(folder, FILES.keyFile), keyPem, { mode: 0o600 });
	await writeFile(join(folder, FILES.certificateFile), String(issued.body['chain']));
}

async function hasLiveCertificate(folder: string): Promise<boolean> {
	const file = join(folder, FILES.certificateFile);
	if (!(await exists(file))) return false;
	return new X509Certificate(await readFile(file)).validToDate.getTime() > Date.now() + RENEW_BEFORE_MS;
}

async function exists(file: string): Promise<boolean> {
	try {
		await access(file);
		return true;
	} catch {
		// Not there, or not ours to see: either way it has to be made.
		return false;
	}
}
