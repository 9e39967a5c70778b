/** Bodies of requests: what Go's decoder lets pass, and what is refused with field, value and reason. */
import t from 'tap';
import {
  readContainerCreate,
  readContainerUpdate,
  readExecCreate,
  readNetworkCreate,
  readVolumeCreate,
} from '../../../src/daemon/api/read.js';
import { SHAPES } from '../../../src/daemon/api/shapes.gen.js';

const create = (json: string) => readContainerCreate(JSON.parse(json));

t.test('readContainerCreate takes what the docker client sends', async (t) => {
  const body =
    create(`{"Hostname":"","Image":"busybox","Cmd":["true"],"Env":null,"Volumes":{},"ExposedPorts":{"80/tcp":{}},
    "Entrypoint":null,"Labels":{},"HostConfig":{"Binds":null,"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},
    "RestartPolicy":{"Name":"no","MaximumRetryCount":0},"ConsoleSize":[24,80],"Memory":0,"MaskedPaths":null,
    "ReadonlyPaths":[],"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"MemorySwappiness":-1},
    "NetworkingConfig":{"EndpointsConfig":{"default":null}}}`);
  t.same(body.Cmd, ['true']);
  t.notOk('Env' in body, 'null is absent');
  t.notOk('MaskedPaths' in (body.HostConfig ?? {}), 'null is not the empty list');
  t.same(body.HostConfig?.ReadonlyPaths, []);
  t.same(body.NetworkingConfig?.EndpointsConfig, { default: {} });
});

t.test('names count whatever their case, and those the API does not have are let pass', async (t) => {
  const body = create(
    '{"image":"a","hostconfig":{"memory":7000000,"Invented":{"x":1}},"__proto__":{"y":1},"Extra":[null]}',
  );
  t.equal(body.Image, 'a');
  t.equal(body.HostConfig?.Memory, 7_000_000);
});

t.test('one text where words are wanted is one word', async (t) => {
  t.same(create('{"Cmd":"ls -l","Entrypoint":""}'), { Cmd: ['ls -l'], Entrypoint: [''] });
});

t.test('null in lists and maps is the zero value', async (t) => {
  const body = create(
    '{"Env":[null],"Labels":{"a":null},"HostConfig":{"Mounts":[null],"PortBindings":{"80/tcp":null}}}',
  );
  t.same(body, { Env: [''], Labels: { a: '' }, HostConfig: { Mounts: [{}], PortBindings: { '80/tcp': [] } } });
});

const REFUSED: readonly (readonly [string, string])[] = [
  ['[]', 'the body: must be an object (got [])'],
  ['"x"', 'the body: must be an object (got "x")'],
  ['null', 'the body: must be an object (got null)'],
  ['{"HostConfig":{"Memory":"12"}}', 'HostConfig.Memory: must be an integer (got "12")'],
  ['{"HostConfig":{"Memory":1.5}}', 'HostConfig.Memory: must be an integer (got 1.5)'],
  [
    '{"HostConfig":{"Memory":9223372036854775808}}',
    'HostConfig.Memory: is not in -9007199254740991..9007199254740991 (got 9223372036854776000)',
  ],
  [
    '{"HostConfig":{"ShmSize":9223372036854775808}}',
    'HostConfig.ShmSize: is not in -9007199254740991..9007199254740991 (got 9223372036854776000)',
  ],
  ['{"HostConfig":{"BlkioWeight":70000}}', 'HostConfig.BlkioWeight: is not in 0..65535 (got 70000)'],
  ['{"Tty":"yes"}', 'Tty: must be true or false (got "yes")'],
  ['{"Env":{"A":"b"}}', 'Env: must be a list (got an object)'],
  ['{"Env":["A=b",3]}', 'Env.1: must be a text (got 3)'],
  ['{"Labels":{"a/b":[]}}', 'Labels.a/b: must be a text (got [])'],
  [
    '{"HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}',
    'HostConfig.RestartPolicy.Name: is none of no, always, unless-stopped, on-failure (got "sometimes")',
  ],
  [
    '{"HostConfig":{"Mounts":[{"Type":"floppy"}]}}',
    'HostConfig.Mounts.0.Type: is none of bind, volume, tmpfs, image, npipe, cluster (got "floppy")',
  ],
  ['{"HostConfig":{"ConsoleSize":[1,2,3]}}', 'HostConfig.ConsoleSize: has more than 2 items (got a list of 3)'],
  ['{"Image":"a\\u0000b"}', 'Image: has a NUL byte (got "a\\u0000b")'],
];

for (const [json, message] of REFUSED) {
  t.test(`readContainerCreate refuses ${json}`, async (t) => {
    t.throws(() => create(json), { code: 'REQUEST_INVALID', message });
  });
}

t.test('all problems are told at once, the first eight by name', async (t) => {
  const bad = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`k${index}`, 1]));
  const error = t.throws(() => create(JSON.stringify({ Labels: bad }))) as unknown as Error;
  t.match(error.message, /^Labels\.k0: .*; Labels\.k7: .*; and 3 more$/);
});

t.test('what is nested too deep is refused, not a stack that overflows', async (t) => {
  const nested = (levels: number) => `{"Extra":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`;
  t.doesNotThrow(() => create(nested(100)), 'in a field that the API does not have');
  for (const levels of [200, 100_000])
    t.throws(() => create(nested(levels)), {
      code: 'REQUEST_INVALID',
      message: 'the body: is nested deeper than 128 levels',
    });
});

t.test('null in any field of any body is what it is to Go: nothing', async (t) => {
  for (const shape of ['ContainerCreate', 'ExecCreate', 'NetworkCreate', 'VolumeCreate', 'ContainerUpdate'] as const) {
    const read = { ContainerCreate: readContainerCreate, ExecCreate: readExecCreate, NetworkCreate: readNetworkCreate };
    const all = { ...read, VolumeCreate: readVolumeCreate, ContainerUpdate: readContainerUpdate };
    const body = Object.fromEntries(Object.keys(SHAPES[shape] ?? {}).map((name) => [name, null]));
    t.same(all[shape](body), {}, shape);
  }
});
