// The same calls to tsrun daemon and to Debian's dockerd: status, headers, words of errors, and the shape of the JSON must
// be the same, but for the differences listed here, each with its reason.
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { Answer, CallOptions } from '../helpers/api.js';
import { type Daemon, dockerd, needOracle, tsrunDaemon } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { shapeDifferences } from '../helpers/shape.js';

t.setTimeout(240_000);

/** What dockerd 20.10 speaks. */
const V = '/v1.41';

interface Case {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly options?: CallOptions;
  /** Differences of the shape, each with its reason. One that is gone must go from here. */
  readonly known?: Known;
  /** Why words of an error, or status and words, are others than dockerd's. */
  readonly otherWords?: string;
  readonly otherStatus?: string;
}

type Known = { readonly [difference: string]: string };

const NEWER = 'words of dockerd 28';
const CLIENT_FAULT = 'what a client got wrong is 400, as in dockerd 28';
const NOT_GO = 'no part of a program in Go';

const INFO: Known = {
  '.BridgeNfIp6tables: only theirs': 'gone since API 1.49',
  '.BridgeNfIptables: only theirs': 'gone since API 1.49',
  '.CDISpecDirs: only ours': 'since API 1.46, and harmless before',
  '.DriverStatus: list, theirs null': 'the driver vfs has nothing to tell',
  '.KernelMemory: only theirs': 'limits of kernel memory are gone from the kernel',
  '.KernelMemoryTCP: only theirs': 'limits of kernel memory are gone from the kernel',
  '.RegistryConfig.AllowNondistributableArtifactsCIDRs: only theirs': 'foreign layers are never pushed',
  '.RegistryConfig.AllowNondistributableArtifactsHostnames: only theirs': 'foreign layers are never pushed',
  '.Runtimes.io.containerd.runc.v2: only theirs': 'tsrun is the only runtime',
  '.Runtimes.io.containerd.runtime.v1.linux: only theirs': 'tsrun is the only runtime',
  '.Runtimes.runc: only theirs': 'tsrun is the only runtime',
  '.Runtimes.tsrun: only ours': 'tsrun is the only runtime',
};

const VERSION: Known = {
  '.Components[].Details.NodeVersion: only ours': NOT_GO,
};

const get = (name: string, path: string, known: Known = {}): Case => ({
  name,
  method: 'GET',
  path: `${V}${path}`,
  known,
});
const jsonBody = (text: string): CallOptions => ({ body: text, headers: { 'content-type': 'application/json' } });

const CASES: readonly Case[] = [
  get('ping', '/_ping'),
  { name: 'ping, HEAD', method: 'HEAD', path: '/_ping' },
  get('version', '/version', VERSION),
  get('info', '/info', INFO),
  get('images', '/images/json'),
  get('an image', `/images/${IMAGE}/json`),
  get('its history', `/images/${IMAGE}/history`),
  { ...get('no image', '/images/nosuch/json'), otherWords: NEWER },
  { ...get('no image with a digest', `/images/sha256:${'0'.repeat(64)}/json`), otherWords: NEWER },
  get('containers', '/containers/json?all=1'),
  get('no container', '/containers/nosuch/json'),
  get('disk usage', '/system/df', { '.BuildCache: list, theirs null': 'an empty list is one' }),
  get('swarm', '/nodes'),
  get('plugins', '/plugins'),
  get('no plugin', '/plugins/nosuch/json'),
  get('no page', '/nosuch'),
  { name: 'no method', method: 'PUT', path: `${V}/info` },
  {
    name: 'a version that is too new',
    method: 'GET',
    path: '/v1.99/info',
    otherWords: 'each names its own latest version',
  },
  { ...get('a filter nobody knows', '/images/json?filters=%7B%22nosuch%22%3A%5B%22a%22%5D%7D'), otherWords: NEWER },
  {
    ...get('a filter of containers nobody knows', '/containers/json?filters=%7B%22nosuch%22%3A%5B%22a%22%5D%7D'),
    otherWords: NEWER,
  },
  { ...get('filters that are no JSON', '/images/json?filters=x'), otherStatus: CLIENT_FAULT },
  { name: 'a tag', method: 'POST', path: `${V}/images/${IMAGE}/tag?repo=other&tag=1` },
  { name: 'a tag of what is not there', method: 'POST', path: `${V}/images/nosuch/tag?repo=other&tag=1` },
  {
    name: 'a tag that is none',
    method: 'POST',
    path: `${V}/images/${IMAGE}/tag?repo=Other`,
    otherStatus: CLIENT_FAULT,
  },
  { name: 'auth, no JSON', method: 'POST', path: `${V}/auth`, options: jsonBody('{'), otherStatus: CLIENT_FAULT },
  { name: 'an id with two names', method: 'DELETE', path: `${V}/images/ID` },
  { name: 'rm of one name', method: 'DELETE', path: `${V}/images/other:1` },
  { name: 'rm of what is not there', method: 'DELETE', path: `${V}/images/nosuch` },
  { name: 'prune', method: 'POST', path: `${V}/images/prune` },
  get('events of the past', '/events?since=1&until=2'),
  { ...get('events until something', '/events?until=x'), otherStatus: CLIENT_FAULT },
];

const HEADERS = ['content-type', 'ostype', 'docker-experimental', 'cache-control', 'pragma', 'swarm'] as const;

t.test('tsrun daemon answers as dockerd does', { skip: needOracle() }, async (t) => {
  const [ours, theirs] = [tsrunDaemon(t), dockerd(t)];
  for (const daemon of [ours, theirs]) {
    const archive = readFileSync(imageArchive(daemon.directory));
    const loaded = await daemon.api('POST', `${V}/images/load`, {
      body: archive,
      headers: { 'content-type': 'application/x-tar' },
    });
    t.match([loaded.status, loaded.text], [200, /Loaded image: localhost\/tsrun-test:latest/], daemon.log());
  }
  for (const one of CASES) {
    const [a, b] = [await ask(ours, one), await ask(theirs, one)];
    compare(t, one, a, b);
  }
  must(ours.docker(['rmi', IMAGE]));
});

function compare(t: Test, one: Case, a: Answer, b: Answer): void {
  const said = `(ours: ${a.text.slice(0, 200)}, theirs: ${b.text.slice(0, 200)})`;
  if (one.otherStatus !== undefined)
    return void t.not(a.status, b.status, `${one.name}: status is no longer another ${said}`);
  t.equal(a.status, b.status, `${one.name}: status ${said}`);
  for (const name of HEADERS)
    if (b.headers[name] !== undefined) t.equal(a.headers[name], b.headers[name], `${one.name}: ${name}`);
  if (one.otherWords !== undefined)
    t.not(a.json?.message, b.json?.message, `${one.name}: the words are no longer others`);
  else if (a.status >= 400) t.equal(a.json?.message, b.json?.message, `${one.name}: words`);
  else if (a.json !== undefined || b.json !== undefined)
    t.strictSame(
      shapeDifferences(a.json, b.json).filter(ofTheDaemon),
      Object.keys(one.known ?? {}).sort(),
      `${one.name}: shape`,
    );
}

/** Which warnings there are, if any, is the host's matter: dockerd has some of forwarding and bridges. */
const ofTheDaemon = (difference: string): boolean => !difference.startsWith('.Warnings: ');

async function ask(daemon: Daemon, { method, path, options }: Case): Promise<Answer> {
  const id = path.includes('/ID') ? (await daemon.api('GET', `${V}/images/json`)).json[0].Id : '';
  return daemon.api(method, path.replace('/ID', `/${id}`), options);
}
