// Compiles one method of gRPC into what the stages ask on each request. There is no document and nothing is read of messages, so
// whatever would have to look into them is a fault, and whoever asks the contract for a body gets none.
import type { OperationContract } from '../../domain/contract/operation-contract.ts';
import { fault } from '../../kernel/faults.ts';
import { fail, ok, type Result } from '../../kernel/result.ts';
import type { GatewayRoute } from './gateway-route.ts';

/** What a method has in common with an operation of a document. */
type CommonRoute = Omit<
	GatewayRoute,
	'contract' | 'cors' | 'contractHeaders' | 'readTargetResources' | 'readBodyResources' | 'protectResponse'
>;

/** Compiles the route of a method; the fault says what cannot be kept. */
export function compileGrpcRoute(route: CommonRoute): Result<GatewayRoute, string> {
	const { api, operation } = route;
	if (api.grpc === undefined || operation.grpc === undefined) return fail('an API without a document is one of gRPC');
	// SECURITY: a rule that cannot be kept must not load. compile-grpc-route.test.ts
	if (operation.masks.length > 0) return fail('messages of gRPC cannot be masked');
	if (operation.resources.length > 0) return fail('messages of gRPC cannot be asked for resources');
	return ok({
		...route,
		contract: NO_CONTRACT,
		cors: undefined,
		contractHeaders: new Set(api.grpc.request),
		readTargetResources: () => [],
		readBodyResources: undefined,
		protectResponse: () => fail(NOTHING_TO_PROTECT),
	});
}

const NOTHING_TO_PROTECT = fault('response_invalid', 'The answer of the service cannot be passed on.', {
	internal: 'a message of gRPC was to be read',
});
const NOT_READ = fault('body_invalid', 'Messages of gRPC are not read here.');

/** Refuses whatever it is asked about. */
const NO_CONTRACT: OperationContract = {
	validateRequest: () => ({ fault: NOT_READ, bodyValue: undefined }),
	validateParameters: () => NOT_READ,
	isOpaqueRequest: () => false,
	responseFor: () => undefined,
	hasStatus: () => false,
	hasOpaque: false,
};
