// One operation as the stages see it: what of it was compiled once, for all requests.
import type { ApiVersion, Operation } from '../../domain/api/api.ts';
import type { CompiledCors } from '../../domain/api/cors.ts';
import type { ResourceMetadataPlace } from '../../domain/api/resource-metadata.ts';
import type { UpstreamClient, UpstreamRequest } from '../../domain/api/upstream-client.ts';
import type { OperationContract } from '../../domain/contract/operation-contract.ts';
import type { DetailRule } from '../../domain/policy/detail-policy.ts';
import type { RequestedResource } from '../../domain/policy/resource-grant.ts';
import type { ResponseProtector } from '../../domain/protection/protect-response.ts';

/** Where the path and the query of a request stand. */
export interface RequestTargetValues {
	readonly pathParameters: readonly string[];
	readonly query: string;
}

export interface GatewayRoute {
	/** Place in the catalogue, for the metrics. */
	readonly index: number;
	readonly api: ApiVersion;
	readonly operation: Operation;
	readonly upstream: UpstreamClient;
	readonly upstreamBasePath: string;
	/** When a call of this operation may be sent again. */
	readonly retry: UpstreamRequest['retry'];
	readonly contract: OperationContract;
	/** Where the metadata of the API's resource is found. */
	readonly metadata: ResourceMetadataPlace;
	/** By external issuer whose tokens the API takes, the audiences that mean the API. */
	readonly externalAudiences: ReadonlyMap<string, ReadonlySet<string>>;
	/** Web pages that may call; undefined = none. */
	readonly cors: CompiledCors | undefined;
	/** Header fields (lower case) that the contract declares as parameters and that may travel. */
	readonly contractHeaders: ReadonlySet<string>;
	/** Resources that path and query name; undefined when one that is required is missing or named twice. */
	readTargetResources(values: RequestTargetValues): readonly RequestedResource[] | undefined;
	/** The same for the body; undefined when no rule of the operation looks there. */
	readonly readBodyResources: ((body: unknown) => readonly RequestedResource[] | undefined) | undefined;
	/** What the operation demands of the token's authorization details; undefined when it demands none. */
	readonly details: DetailRule | undefined;
	/** Holds an answer to the contract, minimizes and masks it; gives what may be sent. */
	readonly protectResponse: ResponseProtector;
}
