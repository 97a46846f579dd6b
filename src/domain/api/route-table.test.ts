import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unwrap } from '../../kernel/result.ts';
import type { ApiVersion, HttpMethod, Operation } from './api.ts';
import { createRouteTable, type RouteTable } from './route-table.ts';

function table(basePath: string, ...routes: readonly (readonly [HttpMethod, string])[]): RouteTable<string> {
	const operations = routes.map(([method, path]) => ({ key: `${method} ${path}`, method, path }) as Operation);
	const api = { basePath, operations } as unknown as ApiVersion;
	return unwrap(createRouteTable([api], (_api, operation) => operation.key));
}

test('finds an operation and gives its parameters decoded, in the order of the template', () => {
	const routes = table('/bank/v1', ['GET', '/accounts/{a}/transactions/{t}']);
	assert.deepEqual(routes.match('GET', '/bank/v1/accounts/x%20y/transactions/7'), {
		kind: 'found',
		route: 'GET /accounts/{a}/transactions/{t}',
		parameters: ['x y', '7'],
	});
});

test('prefers a literal segment and steps back where it leads nowhere', () => {
	const routes = table('', ['GET', '/a/{x}/c'], ['GET', '/a/b/d'], ['POST', '/a/b/c']);
	assert.equal(found(routes, 'GET', '/a/b/d'), 'GET /a/b/d');
	assert.equal(found(routes, 'GET', '/a/b/c'), 'GET /a/{x}/c');
	assert.equal(found(routes, 'POST', '/a/b/c'), 'POST /a/b/c');
});

test('matches text around a parameter before a bare parameter', () => {
	const routes = table('', ['GET', '/files/{id}'], ['GET', '/files/{id}.json'], ['GET', '/files/v{n}']);
	assert.equal(found(routes, 'GET', '/files/a.json'), 'GET /files/{id}.json');
	assert.equal(found(routes, 'GET', '/files/v1'), 'GET /files/v{n}');
	assert.equal(found(routes, 'GET', '/files/a'), 'GET /files/{id}');
	assert.equal(found(routes, 'GET', '/files/.json'), 'GET /files/{id}');
});

test('knows no path that is longer, shorter, of another case, or with a slash at its end', () => {
	const routes = table('/bank/v1', ['GET', '/accounts/{id}']);
	for (const path of [
		'/',
		'/bank/v1',
		'/bank/v1/accounts',
		'/bank/v1/accounts/',
		'/bank/v1/accounts/1/',
		'/bank/v1/accounts/1/x',
		'/bank/v1/Accounts/1',
		'/accounts/1',
		'/bank/v2/accounts/1',
	]) {
		assert.equal(routes.match('GET', path).kind, 'not-found', path);
	}
});

test('tells an unknown method from an unknown path', () => {
	const routes = table('', ['GET', '/a'], ['POST', '/a']);
	assert.deepEqual(routes.match('DELETE', '/a'), { kind: 'method-not-allowed', allowed: ['GET', 'POST'] });
	assert.equal(routes.match('DELETE', '/b').kind, 'not-found');
});

test('refuses two operations that match the same paths', () => {
	const operations = ['/a/{x}', '/a/{y}'].map((path) => ({ key: path, method: 'GET', path }) as Operation);
	const built = createRouteTable([{ basePath: '', operations } as unknown as ApiVersion], () => '');
	assert.equal(built.ok, false);
});

test('member names of objects are ordinary segments', () => {
	const routes = table('', ['GET', '/a/{x}']);
	assert.equal(found(routes, 'GET', '/a/__proto__'), 'GET /a/{x}');
	assert.equal(routes.match('GET', '/__proto__/x').kind, 'not-found');
	assert.equal(routes.match('constructor', '/a/1').kind, 'method-not-allowed');
});

function found(routes: RouteTable<string>, method: string, path: string): string | undefined {
	const match = routes.match(method, path);
	return match.kind === 'found' ? match.route : undefined;
}
