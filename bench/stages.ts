// What each stage of the pipeline costs: the product's own pipeline over real mTLS, with a clock around every stage.
import { type Gate, PIPELINE, type Pipeline } from '../src/services/gateway/pipeline.ts';
import { startTestGateway } from '../test/fixture/test-gateway.ts';
import { runLoad } from './load-client.ts';
import { plainRequest } from './peers.ts';

export interface StageCost {
	readonly name: string;
	/** Mean of a request, in microseconds; what the stage only waits for is not counted. */
	readonly microseconds: number;
}

/** Measures the synchronous cost of every stage over `requests` requests. */
export async function measureStages(requests: number): Promise<readonly StageCost[]> {
	const spent = new Map<string, number>();
	const timed =
		<Args extends readonly unknown[], Out>(name: string, stage: (...args: Args) => Out) =>
		(...args: Args): Out => {
			const started = performance.now();
			const outcome = stage(...args);
			spent.set(name, (spent.get(name) ?? 0) + performance.now() - started);
			return outcome;
		};
	const pipeline: Pipeline = {
		gates: PIPELINE.gates.map((gate): Gate => timed(gate.name, gate)),
		forward: timed('forwardRequest', PIPELINE.forward),
		protect: timed('protectResponse', PIPELINE.protect),
	};
	const gateway = await startTestGateway(pipeline);
	const partner = await gateway.onboard();
	const load = async (count: number): Promise<void> => {
		gateway.seen.length = 0;
		await runLoad({
			host: '127.0.0.1',
			port: gateway.port,
			ca: gateway.rootCa,
			certificate: partner.chain,
			key: partner.key,
			request: plainRequest(gateway.port, partner.token(), '/bank/v1/accounts/acc-1001'),
			connections: 4,
			requests: count,
		});
	};
	await load(2000);
	spent.clear();
	await load(requests);
	await gateway.close();
	return [...spent].map(([name, ms]) => ({ name, microseconds: Number(((ms * 1000) / requests).toFixed(2)) }));
}
