/** registry: TLS is checked, with CAs and client certificates from certs.d; nothing turns it off but the user. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { OCI_MANIFEST } from '../../src/image/media-types.js';
import { openRegistry } from '../../src/image/registry-access.js';
import type { RegistryClient } from '../../src/registry/client.js';
import { fetchManifest } from '../../src/registry/manifests.js';
import { needCommand } from '../helpers/host.js';
import { clientOf, type Fake, fakeRegistry } from './fake.js';

const skip = needCommand('openssl');
const MANIFEST = { repository: 'app', reference: '1', accept: [OCI_MANIFEST], most: 1000, what: 'image "app"' };

function openssl(directory: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { cwd: directory, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

interface Pki {
  readonly directory: string;
  readonly read: (name: string) => string;
}

/** ca, server (for 127.0.0.1), other (for another name), client. */
function makePki(t: Test): Pki {
  const directory = t.testdir();
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    directory,
    'req',
    '-x509',
    ...ec,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=test ca',
    '-days',
    '2',
  );
  const names = { server: 'IP:127.0.0.1', other: 'DNS:other.test', client: 'DNS:client' };
  for (const [name, alternative] of Object.entries(names)) {
    writeFileSync(join(directory, 'ext'), `subjectAltName=${alternative}\n`);
    openssl(directory, 'req', ...ec, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const sign = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'ext', '-days', '2'];
    openssl(directory, 'x509', '-req', '-in', `${name}.csr`, ...sign, '-out', `${name}.crt`);
  }
  return { directory, read: (name) => readFileSync(join(directory, name), 'latin1') };
}

async function serve(t: Test, pki: Pki, name: string, more: object = {}): Promise<Fake> {
  const fake = await fakeRegistry(t, { key: pki.read(`${name}.key`), cert: pki.read(`${name}.crt`), ...more });
  fake.manifests.set('1', { bytes: Buffer.from('{}'), mediaType: OCI_MANIFEST });
  return fake;
}

function open(t: Test, host: string, certsDirectory?: string, insecure = false): RegistryClient {
  const client = openRegistry(host, {
    environment: {},
    plainHttp: false,
    insecure,
    certsDirectories: certsDirectory === undefined ? [] : [certsDirectory],
    userAgent: 'test',
    debug: () => undefined,
  });
  t.teardown(() => client.close());
  return client;
}

function certsFor(pki: Pki, host: string, files: readonly (readonly [from: string, to: string])[]): string {
  const directory = join(pki.directory, `certs.d-${files.length}`);
  mkdirSync(join(directory, host), { recursive: true });
  for (const [from, to] of files) writeFileSync(join(directory, host, to), pki.read(from));
  return directory;
}

t.test('a certificate of an unknown CA is refused, and accepted with the CA in certs.d', { skip }, async (t) => {
  const pki = makePki(t);
  const fake = await serve(t, pki, 'server');
  await t.rejects(fetchManifest(open(t, fake.host), MANIFEST, undefined), {
    code: 'REGISTRY_FAILED',
    message: /^image "app": registry \S+: its certificate is signed by a CA that is not trusted here/,
    hint: /certs\.d/,
  });
  t.equal(fake.asked.length, 0, 'not even on loopback is there a way around it');
  const certs = certsFor(pki, fake.host, [['ca.crt', 'ca.crt']]);
  t.equal((await fetchManifest(open(t, fake.host, certs), MANIFEST, undefined)).bytes.toString(), '{}');
  await fetchManifest(open(t, fake.host, undefined, true), MANIFEST, undefined);
});

t.test('a certificate for another name is refused', { skip }, async (t) => {
  const pki = makePki(t);
  const fake = await serve(t, pki, 'other');
  const certs = certsFor(pki, fake.host, [['ca.crt', 'ca.crt']]);
  await t.rejects(fetchManifest(open(t, fake.host, certs), MANIFEST, undefined), {
    message: /certificate is for another name/,
  });
});

t.test('TLS 1.1 is refused', { skip }, async (t) => {
  const pki = makePki(t);
  const fake = await serve(t, pki, 'server', {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  await t.rejects(fetchManifest(open(t, fake.host, undefined, true), MANIFEST, undefined), { code: 'REGISTRY_FAILED' });
  t.equal(fake.asked.length, 0);
});

t.test('a client certificate of certs.d is shown to the registry', { skip }, async (t) => {
  const pki = makePki(t);
  const fake = await serve(t, pki, 'server', { ca: pki.read('ca.crt'), requestCert: true, rejectUnauthorized: true });
  const without = certsFor(pki, fake.host, [['ca.crt', 'ca.crt']]);
  await t.rejects(fetchManifest(open(t, fake.host, without), MANIFEST, undefined), { code: 'REGISTRY_FAILED' });
  const files = [
    ['ca.crt', 'ca.crt'],
    ['client.crt', 'me.cert'],
    ['client.key', 'me.key'],
  ] as const;
  await fetchManifest(open(t, fake.host, certsFor(pki, fake.host, files)), MANIFEST, undefined);
});

t.test('plain HTTP on loopback is found out by itself, elsewhere only when it is asked for', async (t) => {
  const fake = await fakeRegistry(t);
  fake.manifests.set('1', { bytes: Buffer.from('{}'), mediaType: OCI_MANIFEST });
  await fetchManifest(open(t, fake.host), MANIFEST, undefined);
  const proxies = { http: `http://${fake.host}`, https: `http://${fake.host}`, except: undefined };
  await t.rejects(
    fetchManifest(clientOf(t, 'registry.test', { plainHttp: false, proxies }), MANIFEST, undefined),
    { code: 'REGISTRY_FAILED' },
    'a tunnel or nothing',
  );
});

t.test('https goes through a tunnel of the proxy, which sees nothing of it', { skip }, async (t) => {
  const pki = makePki(t);
  const fake = await serve(t, pki, 'other');
  const seen: string[] = [];
  const proxy = createServer();
  proxy.on('connect', (request, socket) => {
    seen.push(request.url ?? '');
    const upstream = connect(Number(fake.host.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const proxies = { http: undefined, https: `127.0.0.1:${(proxy.address() as AddressInfo).port}`, except: undefined };
  const tls = { ca: [pki.read('ca.crt')], clientCertificates: [], skipVerify: false };
  const client = clientOf(t, 'other.test', { plainHttp: false, proxies, tls });
  t.equal((await fetchManifest(client, MANIFEST, undefined)).bytes.toString(), '{}');
  t.same(seen, ['other.test:443']);
  const wrong = clientOf(t, 'wrong.test', { plainHttp: false, proxies, tls });
  await t.rejects(fetchManifest(wrong, MANIFEST, undefined), { message: /certificate is for another name/ });
});
