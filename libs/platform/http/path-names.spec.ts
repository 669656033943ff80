import { describe, expect, it } from 'vitest';
import { canonicalUrl } from './path-names.js';

describe('canonicalUrl', () => {
  it.each([
    ['/v1/org/acme/sites?page=1', '/api/v1/org/acme/sites?page=1'],
    ['/v1', '/api/v1'],
    ['/v1/', '/api/v1/'],
    ['/v1?x=1', '/api/v1?x=1'],
    ['/v1/openapi.json', '/api/openapi.json'],
    ['/v1/docs', '/api/docs'],
    ['/v1/private-resource/7', '/api/v1/site-resource/7'],
    ['/api/v1/private-resource/7/roles/add', '/api/v1/site-resource/7/roles/add'],
    ['/v1/public-resource/7', '/api/v1/resource/7'],
    ['/v1/public-resource/7/target', '/api/v1/resource/7/target'],
    ['/v1/org/acme/private-resource', '/api/v1/org/acme/site-resource'],
    ['/v1/org/acme/private-resources?query=a', '/api/v1/org/acme/site-resources?query=a'],
    ['/v1/org/acme/public-resource', '/api/v1/org/acme/resource'],
    ['/v1/org/acme/public-resource/front-door', '/api/v1/org/acme/resource/front-door'],
    ['/v1/org/acme/public-resources?page=2&pageSize=5', '/api/v1/org/acme/resources?page=2&pageSize=5'],
    ['/v1/org/acme/public-resource-names', '/api/v1/org/acme/resource-names'],
    ['/v1/org/acme/site/3/private-resources', '/api/v1/org/acme/site/3/resources'],
    ['/v1/org/acme/site/3/private-resource/9', '/api/v1/org/acme/site/3/resource/9'],
    ['/v1/org/acme/site/3/public-resource', '/api/v1/org/acme/site/3/resource'],
    ['/v1/site/3/public-resources/', '/api/v1/site/3/resources/'],
    ['/v1/client/4/private-resources', '/api/v1/client/4/site-resources'],
  ])('%s is %s', (url, canonical) => {
    expect(canonicalUrl(url)).toBe(canonical);
  });

  it.each([
    '/healthz',
    '/v1x/private-resource/7',
    '/agent/private-resource/7',
    // On a site these mean what they say for one kind only.
    '/api/v1/org/acme/site/3/private-resource',
    '/api/v1/org/acme/site/3/public-resources',
    '/api/v1/site/3/private-resources',
    '/api/v1/org/private-resource',
    '/api/v1/org/private-resource/sites',
    '/api/v1/private-resources',
    '/api/v1/private-resource-x/1',
    '/api/v1/org/acme/sites?query=private-resource',
  ])('%s has no other name', (url) => {
    expect(canonicalUrl(url)).toBe(url);
  });
});
