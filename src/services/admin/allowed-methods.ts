// Tells which methods a path takes, so that a wrong method is answered with 405 and Allow instead of 404.

/**
 * Compiles the routes of an app (paths with `:name` parameters) into a function that gives the value of `Allow` for a
 * path; undefined when no route has this path.
 */
export function createAllowedMethods(
	routes: readonly { readonly method: string; readonly path: string }[],
): (path: string) => string | undefined {
	const methodsByPattern = new Map<string, Set<string>>();
	for (const { method, path } of routes) {
		if (method === 'ALL') continue;
		const pattern = path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+');
		const methods = methodsByPattern.get(pattern) ?? new Set();
		methodsByPattern.set(pattern, methods.add(method));
		if (method === 'GET') methods.add('HEAD');
	}
	const table = [...methodsByPattern].map(([pattern, methods]) => ({
		pattern: new RegExp(`^${pattern}$`),
		methods: [...methods],
	}));
	return (path) => {
		// A path can fit two templates, such as a fixed name and a parameter.
		const allowed = new Set(table.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods));
		return allowed.size === 0 ? undefined : [...allowed].sort().join(', ');
	};
}
