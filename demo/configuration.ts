// The demo's configuration as YAML text. It is also the example to learn from: demo/sallyport.yaml is this text for
// the ports from 8443 on, and a test keeps the two equal.

/** What the demo's configuration depends on. */
export interface DemoConfigurationOptions {
	/** First of the six ports: gateway, authorization server, admin API, private listener, bank, public listener. */
	readonly portBase: number;
	/** Path of the bank's OpenAPI document, relative to the configuration file. */
	readonly documentFile?: string;
}

/** SPIFFE trust domain of the demo. */
export const DEMO_TRUST_DOMAIN = 'bank.example';
/** The bank's name as an audience of assertions. */
export const DEMO_BANK_AUDIENCE = 'demo-bank';

/** Writes the demo's configuration. */
export function demoConfiguration(options: DemoConfigurationOptions): string {
	const { portBase, documentFile = './bank/bank.openapi.yaml' } = options;
	const [gateway, authorizationServer, admin, privateListener, bank, pki] = [0, 1, 2, 3, 4, 5].map(
		(step) => portBase + step,
	);
	return `# Sallyport in front of the demo bank: one internal API, exposed to partners.
# Check it with: ./sallyport config check FILE. Every key is explained in docs/configuration.md.
sallyport: 1

# Part of every certificate's identity (SPIFFE). Never change it once certificates are issued.
trustDomain: ${DEMO_TRUST_DOMAIN}

# The authorization server as tokens name it.
issuer: https://localhost:${authorizationServer}

# The demo listens on this machine only. In production the gateway and the authorization server listen where
# partners reach them, the other two where partners do not.
listeners:
  gateway: { host: 127.0.0.1, port: ${gateway}, names: [localhost] }
  authorizationServer: { host: 127.0.0.1, port: ${authorizationServer}, names: [localhost] }
  admin: { host: 127.0.0.1, port: ${admin}, names: [localhost] }
  private: { host: 127.0.0.1, port: ${privateListener} }
  # Revocation lists, OCSP and the certificates of the authorities, for whoever relies on our certificates.
  pki: { host: 127.0.0.1, port: ${pki} }

certificates:
  revocation:
    # Certificates name their CRL and OCSP below this address.
    publicUrl: http://localhost:${pki}

apis:
  bank:
    version: v1
    title: Demo bank
    document: ${documentFile}
    basePath: /bank/v1
    # What clients ask tokens for (RFC 8707).
    resource: https://localhost:${gateway}/bank/v1
    upstream:
      # The internal service. Without a caFile it must show a certificate of the platform's own CA.
      url: https://localhost:${bank}
      # Whom the signed statement about the caller is addressed to; the service verifies it.
      audience: ${DEMO_BANK_AUDIENCE}
      connectTimeout: 2s
      responseTimeout: 10s
    # What no partner gets to see whole, wherever it stands in a response. What the document does not declare is
    # removed without being named here.
    masks:
      - { path: $..iban, method: iban }
      - { path: $..cardNumber, method: pan }
      - { path: $..email, method: email }
    operations:
      # The request names no account, and the answer is about all of them. So the operation has a scope of its own,
      # in a product of its own: give it only to partners who may know every account.
      listAccounts:
        authentication: mtls
        scopes: [accounts:list]
        resources: []
      # The subscription must have been granted this very account.
      getAccount:
        authentication: mtls
        scopes: [accounts:read]
        resources: [{ type: account, from: path.accountId }]
      listTransactions:
        authentication: mtls
        scopes: [accounts:read]
        resources: [{ type: account, from: path.accountId }]
      # Money moves: the answer leaves only after the ledger entry is on disk.
      createPayment:
        authentication: mtls
        scopes: [payments:write]
        resources: [{ type: account, from: body.$.debtorAccountId }]
        audit: durable
        requestBodyMax: 4KiB
      # The bank itself shows a payment only to the partner that ordered it.
      getPayment:
        authentication: mtls
        scopes: [payments:write]
        resources: []

products:
  accounts-read:
    title: Read accounts and transactions
    scopes: [accounts:read]
    operations: [bank/v1/getAccount, bank/v1/listTransactions]
  account-directory:
    title: List every account
    scopes: [accounts:list]
    operations: [bank/v1/listAccounts]
  payments:
    title: Order payments
    scopes: [payments:write]
    operations: [bank/v1/createPayment, bank/v1/getPayment]

plans:
  # A hundred calls at once, the hundred and first is refused; one more every six seconds; not more than 5,000 in a day.
  standard:
    title: Standard
    tokenTtl: 300s
    limits:
      - { name: burst, requests: 100, window: 10m, per: client }
      - { name: sustained, requests: 5000, window: 24h, per: subscription }
  # For measuring: limits that are counted, and that no client reaches.
  unhindered:
    title: Unhindered
    tokenTtl: 1h
    limits:
      - { name: burst, requests: 10000000, window: 1m, per: client }
      - { name: sustained, requests: 100000000, window: 1h, per: subscription }
`;
}
