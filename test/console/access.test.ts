import { expect, test } from 'vitest';
import { accessRule, type AccessPolicy, type AccessRequest } from '../../src/console/api/access.ts';

const token = 'a-token-of-enough-characters';
const open: AccessPolicy = { token: undefined, hosts: [], listenHost: '127.0.0.1' };
const reachable: AccessPolicy = { ...open, listenHost: '0.0.0.0' };
const guarded: AccessPolicy = { token, hosts: ['Kisflow.example'], listenHost: '0.0.0.0' };

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly from?: string;
}

const bearer = { authorization: `Bearer ${token}` };
const json = { 'content-type': 'application/json' };

function ask({ method = 'GET', headers = {}, from = '127.0.0.1' }: Asked): AccessRequest {
  return { method, headers: { host: '127.0.0.1:8060', ...headers }, remoteAddress: from };
}

test.each<[string, AccessPolicy, Asked, string | undefined]>([
  // without a token: reads, on loopback, from loopback
  ['no token: this machine reads', open, {}, undefined],
  ['no token: this machine reads heads', open, { method: 'HEAD' }, undefined],
  ['no token: by IPv6', { ...open, listenHost: '::1' }, { headers: { host: '[::1]:8060' }, from: '::1' }, undefined],
  ['no token: by an IPv4 address in IPv6', open, { from: '::ffff:127.0.0.1' }, undefined],
  ['no token: nobody writes', open, { method: 'POST', headers: json }, 'REQUEST_FORBIDDEN'],
  ['no token: nor by a method that nobody knows', open, { method: 'PROPFIND' }, 'REQUEST_FORBIDDEN'],
  ['no token: nobody asks first for another page', open, { method: 'OPTIONS' }, 'REQUEST_FORBIDDEN'],
  ['no token: not from elsewhere', open, { from: '10.0.0.7' }, 'REQUEST_FORBIDDEN'],
  ['no token: not through a proxy', open, { headers: { 'x-forwarded-for': '127.0.0.1' } }, 'REQUEST_FORBIDDEN'],
  [
    'no token: not through a proxy that says so in the standard way',
    open,
    { headers: { forwarded: 'for=x' } },
    'REQUEST_FORBIDDEN',
  ],
  ['no token: off where others reach the listener', reachable, {}, 'REQUEST_FORBIDDEN'],
  ['no token: a sent one is none', open, { method: 'POST', headers: { ...json, ...bearer } }, 'REQUEST_FORBIDDEN'],
  // with one
  ['token: reads', guarded, { headers: bearer, from: '10.0.0.7' }, undefined],
  ['token: writes', guarded, { method: 'POST', headers: { ...bearer, ...json }, from: '10.0.0.7' }, undefined],
  ['token: the scheme in any case', guarded, { headers: { authorization: `bearer ${token}` } }, undefined],
  ['token: this machine needs it too', guarded, {}, 'REQUEST_UNAUTHORIZED'],
  ['token: another one', guarded, { headers: { authorization: `Bearer ${token}x` } }, 'REQUEST_UNAUTHORIZED'],
  ['token: a part of it', guarded, { headers: { authorization: `Bearer ${token.slice(0, -1)}` } }, 'REQUEST_UNAUTHORIZED'],
  ['token: in another case', guarded, { headers: { authorization: `Bearer ${token.toUpperCase()}` } }, 'REQUEST_UNAUTHORIZED'],
  ['token: none behind the scheme', guarded, { headers: { authorization: 'Bearer ' } }, 'REQUEST_UNAUTHORIZED'],
  ['token: by another scheme', guarded, { headers: { authorization: `Basic ${token}` } }, 'REQUEST_UNAUTHORIZED'],
  ['token: bare', guarded, { headers: { authorization: token } }, 'REQUEST_UNAUTHORIZED'],
  [
    'token: writes as a form',
    guarded,
    { method: 'POST', headers: { ...bearer, 'content-type': 'text/plain' } },
    'REQUEST_MEDIA_TYPE',
  ],
  ['token: writes without a type', guarded, { method: 'POST', headers: bearer }, 'REQUEST_MEDIA_TYPE'],
  [
    'token: a type that only begins so',
    guarded,
    { method: 'POST', headers: { ...bearer, 'content-type': 'application/jsonp' } },
    'REQUEST_MEDIA_TYPE',
  ],
  [
    'token: with a charset',
    guarded,
    { method: 'POST', headers: { ...bearer, 'content-type': 'application/json; charset=utf-8' } },
    undefined,
  ],
  // names that this server does not have (DNS rebinding)
  ['host: localhost', open, { headers: { host: 'LocalHost:8060' } }, undefined],
  ['host: a name of http.hosts', guarded, { headers: { ...bearer, host: 'kisflow.example' } }, undefined],
  ['host: another name', open, { headers: { host: 'evil.example:8060' } }, 'REQUEST_FORBIDDEN'],
  ['host: another name, with the token', guarded, { headers: { ...bearer, host: 'evil.example' } }, 'REQUEST_FORBIDDEN'],
  ['host: a name that begins like an address', open, { headers: { host: '127.0.0.1.evil.example' } }, 'REQUEST_FORBIDDEN'],
  ['host: a name that ends like localhost', open, { headers: { host: 'evil.localhost.example' } }, 'REQUEST_FORBIDDEN'],
  ['host: none', open, { headers: { host: '' } }, 'REQUEST_FORBIDDEN'],
  ['host: with a user', open, { headers: { host: 'localhost@evil.example' } }, 'REQUEST_FORBIDDEN'],
  ['host: the one that is listened on', { ...open, listenHost: 'localhost' }, { headers: { host: 'localhost' } }, undefined],
  // pages of other sites
  ['origin: its own', open, { headers: { origin: 'http://127.0.0.1:8060' } }, undefined],
  ['origin: another', open, { headers: { origin: 'http://evil.example' } }, 'REQUEST_FORBIDDEN'],
  ['origin: another port', open, { headers: { origin: 'http://127.0.0.1:3000' } }, 'REQUEST_FORBIDDEN'],
  ['origin: a page without one', open, { headers: { origin: 'null' } }, 'REQUEST_FORBIDDEN'],
  [
    'origin: another, with the token',
    guarded,
    { method: 'POST', headers: { ...bearer, ...json, origin: 'https://evil.example' } },
    'REQUEST_FORBIDDEN',
  ],
  ['fetch: of another site, without an origin', open, { headers: { 'sec-fetch-site': 'cross-site' } }, 'REQUEST_FORBIDDEN'],
  ['fetch: of this one', open, { headers: { 'sec-fetch-site': 'same-origin' } }, undefined],
])('%s', (_name, policy, asked, code) => {
  expect(accessRule(policy)(ask(asked))?.code).toBe(code);
});

test('a refusal tells nothing of the token, and what to configure', () => {
  const refusals = [ask({}), ask({ headers: { authorization: 'Bearer nothing-of-the-kind' } })].map(accessRule(guarded));
  expect(refusals.map((error) => error?.message).join()).not.toMatch(/a-token|nothing-of/);
  expect(accessRule(open)(ask({ method: 'POST' }))?.message).toContain('http.token');
  expect(accessRule(reachable)(ask({}))?.message).toContain('http.token');
});
