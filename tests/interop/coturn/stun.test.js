import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from './clients.js';
import { startStoa } from './relays.js';

test('a client learns its address', async (t) => {
  const relay = await startStoa();
  t.after(() => relay.stop());
  const { status, text } = await run('turnutils_stunclient', ['-p', String(relay.port), '127.0.0.1']);
  assert.equal(status, 0, text);
  assert.match(text, /IPv4\. UDP reflexive addr: 127\.0\.0\.1:\d+/);
});

test('NAT behaviour discovery (RFC 5780) with two addresses', async (t) => {
  const relay = await startStoa({ listen: ['127.0.0.1', '127.0.0.2'], hasAlternatePort: true });
  t.after(() => relay.stop());
  const filtering = await run('turnutils_stunclient', ['-f', '-p', String(relay.port), '127.0.0.1']);
  assert.equal(filtering.status, 0, filtering.text);
  const { status, text } = await run('turnutils_natdiscovery', ['-m', '-f', '-p', String(relay.port), '127.0.0.1']);
  assert.equal(status, 0, text);
  assert.match(text, /NAT with Endpoint Independent Mapping|No NAT detected/i);
  assert.match(text, /Endpoint Independent Filtering|No NAT detected|Open Internet/i);
});
