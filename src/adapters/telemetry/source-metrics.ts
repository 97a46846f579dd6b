// What the protection by source did, as Prometheus text.
import type { SourceCounts } from '../limits/shared-source-table.ts';

/** Prints the counts of the source table as Prometheus text (version 0.0.4). */
export function renderSourceMetrics(counts: SourceCounts): string {
	const lines = [
		'# HELP sallyport_source_failures_total Failures that were counted against their source.',
		'# TYPE sallyport_source_failures_total counter',
		`sallyport_source_failures_total ${counts.failures}`,
		'# HELP sallyport_source_blocks_total How often a source was refused for a time.',
		'# TYPE sallyport_source_blocks_total counter',
		`sallyport_source_blocks_total ${counts.blocks}`,
		'# HELP sallyport_source_uncounted_total Failures that found no room, because all sources of their bucket are refused.',
		'# TYPE sallyport_source_uncounted_total counter',
		`sallyport_source_uncounted_total ${counts.uncounted}`,
		'# HELP sallyport_sources_blocked Sources that are refused now.',
		'# TYPE sallyport_sources_blocked gauge',
		`sallyport_sources_blocked ${counts.blockedNow}`,
		'# HELP sallyport_connections_refused_total Connections that were closed before a request.',
		'# TYPE sallyport_connections_refused_total counter',
	];
	for (const [reason, count] of Object.entries(counts.refusedConnections)) {
		lines.push(`sallyport_connections_refused_total{reason="${reason}"} ${count}`);
	}
	return `${lines.join('\n')}\n`;
}
