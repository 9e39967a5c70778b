// What a hostile or careless client sends to the routes of containers, programs in them, networks and volumes. Every answer
// names the field, the value and what is wrong with it; afterwards there is as much as before, and the same process answers.
// docs/bad-input-and-faults.md has the table of what is shown where.
import { existsSync, readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { post } from '../helpers/api.js';
import { type Daemon, type InNetwork, needDocker, tsrunDaemonWithNetwork } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { needCommand, skipUnless } from '../helpers/host.js';

t.setTimeout(120_000);
const skip = skipUnless(needDocker(), needCommand('ip', 'iproute2'));

type Row = readonly [request: string, body: unknown, status: number, words: RegExp];

/** A request: method and path. run, pz, ex and made are containers that run, are paused, have ended, were never started. */
const STATES: readonly Row[] = [
  ['POST /containers/run/start', undefined, 304, /^$/],
  ['POST /containers/ex/stop', undefined, 304, /^$/],
  ['POST /containers/made/stop', undefined, 304, /^$/],
  ['POST /containers/ex/kill', undefined, 409, /cannot kill container: ex: .* is not running/],
  ['POST /containers/run/kill?signal=ZZ', undefined, 400, /Invalid signal: ZZ/],
  ['POST /containers/run/kill?signal=0', undefined, 400, /Invalid signal: 0/],
  ['POST /containers/run/kill?signal=65', undefined, 400, /Invalid signal: 65/],
  ['POST /containers/run/stop?t=x', undefined, 400, /invalid query parameter t: "x"/],
  ['POST /containers/run/stop?t=99999999999999999999', undefined, 400, /invalid query parameter t: "9{20}"/],
  ['POST /containers/pz/restart?signal=ZZ', undefined, 400, /Invalid signal: ZZ/],
  ['POST /containers/pz/start', undefined, 409, /paused container, try unpause/],
  ['POST /containers/pz/pause', undefined, 409, /is already paused/],
  ['POST /containers/run/unpause', undefined, 409, /is not paused/],
  ['POST /containers/made/unpause', undefined, 409, /is not paused/],
  ['POST /containers/ex/pause', undefined, 409, /is not running/],
  ['DELETE /containers/run', undefined, 409, /container is running: stop the container/],
  ['DELETE /containers/pz', undefined, 409, /container is paused and must be unpaused/],
  ['POST /containers/run/rename?name=ex', undefined, 409, /name "\/ex" is already in use by container "[0-9a-f]{64}"/],
  ['POST /containers/run/rename?name=run', undefined, 400, /same name/],
  ['POST /containers/run/rename', undefined, 400, /may be empty/],
  ['POST /containers/run/rename?name=a%2Fb', undefined, 400, /Invalid container name \(a\/b\)/],
  ['POST /containers/ex/wait?condition=zz', undefined, 400, /invalid condition: "zz"/],
  ['POST /containers/run/resize?h=-1&w=80', undefined, 400, /parameter h: "-1" is not a number from 0 to 65535/],
  ['POST /containers/run/resize?h=1000000&w=80', undefined, 400, /parameter h: "1000000"/],
  ['POST /containers/run/resize?h=x&w=80', undefined, 400, /parameter h: "x"/],
  ['POST /containers/ex/resize?h=1&w=1', undefined, 409, /is not running/],
  ['GET /containers/run/logs', undefined, 400, /at least one of 'stdout' or 'stderr'/],
  ['GET /containers/run/logs?stdout=1&since=abc', undefined, 400, /"since": abc/],
  ['GET /containers/run/logs?stdout=1&until=1e18', undefined, 400, /"until": 1e18/],
  ['GET /containers/run/logs?stdout=1&tail=-5', undefined, 200, /^$/], // as dockerd: all
  ['POST /containers/run/attach', undefined, 400, /needs "logs", "stream" or both/],
  ['POST /containers/run/attach?stream=1&detachKeys=zz-q', undefined, 400, /detach keys \("zz-q"\)/],
  ['GET /containers/run/archive?path=%2Fproc%2F1%2Froot', undefined, 403, /\/proc\/1\/root: permission denied/],
  ['GET /containers/run/archive?path=%2Fetc%2Fpasswd%2Fx', undefined, 400, /\/etc\/passwd\/x: not a directory/],
  ['GET /containers/run/archive?path=%2Fnosuch', undefined, 404, /the file \/nosuch in container [0-9a-f]{64}/],
  ['POST /containers/run/exec', { Cmd: [] }, 400, /No exec command specified/],
  ['POST /containers/nosuch/exec', { Cmd: ['a'] }, 404, /No such container: nosuch/],
  ['POST /containers/pz/exec', { Cmd: ['a'] }, 409, /pz is paused/],
  ['POST /containers/ex/exec', { Cmd: ['a'] }, 409, /is not running/],
  ['POST /containers/run/exec', { Cmd: ['a'], ConsoleSize: [1, 2, 3] }, 400, /ConsoleSize: has more than 2 items/],
  ['POST /exec/nosuch/start', {}, 404, /No such exec instance: nosuch/],
  ['POST /containers/run/update', { Memory: 'x' }, 400, /Memory: must be an integer \(got "x"\)/],
];

const NETWORKS: readonly Row[] = [
  ...[{}, { Name: 'a/b' }, { Name: '..' }, { Name: 'a\nb' }, { Name: 'x'.repeat(3000) }].map(
    (body): Row => ['POST /networks/create', body, 400, /^invalid network name: "/],
  ),
  ['POST /networks/create', { Name: 'bridge' }, 403, /predefined bridge network/],
  ['POST /networks/create', { Name: 'n', Driver: 'nosuch' }, 404, /network driver "nosuch".*drivers are bridge/],
  ['POST /networks/create', { Name: 'n', Driver: 'overlay' }, 403, /overlay needs a swarm/],
  ['POST /networks/create', { Name: 'n', IPAM: { Driver: 'zz' } }, 404, /IPAM driver "zz" not found/],
  ['POST /networks/create', { Name: 'n', Scope: 'swarm' }, 400, /Scope: swarm/],
  ...Object.entries({ '10.9.0.0/33': /CIDR address: "10.9.0.0\/33"/, zz: /"zz"/, '127.9.0.0/24': /loopback/ }).map(
    ([Subnet, words]): Row => ['POST /networks/create', { Name: 'n', IPAM: { Config: [{ Subnet }] } }, 400, words],
  ),
  [
    'POST /networks/create',
    { Name: 'n', IPAM: { Config: [{ Subnet: '10.9.0.0/24', Gateway: '10.8.0.1' }] } },
    400,
    /gateway 10.8.0.1: it is not within the subnet 10.9.0.0\/24/,
  ],
  ['DELETE /networks/bridge', undefined, 403, /pre-defined network/],
  ['DELETE /networks/nosuch', undefined, 404, /network nosuch not found/],
  ['GET /networks/%2e%2e', undefined, 404, /network \.\. not found/],
  ['POST /networks/bridge/connect', {}, 400, /^Container: must not be empty/],
  ['POST /networks/bridge/connect', { Container: 'nosuch' }, 404, /No such container: nosuch/],
  ['POST /networks/nosuch/connect', { Container: 'made' }, 404, /network nosuch not found/],
  ['POST /networks/host/connect', { Container: 'run' }, 400, /connected to host network/],
  ['POST /networks/bridge/connect', { Container: 'run' }, 400, /private \(none\) mode/],
  ['POST /networks/bridge/disconnect', { Container: 'run' }, 403, /container run is not connected to network bridge/],
  ['POST /networks/bridge/disconnect', {}, 400, /^Container: must not be empty/],
  [
    'POST /networks/bridge/connect',
    { Container: 'made', EndpointConfig: { IPAMConfig: { IPv4Address: 'zz' } } },
    400,
    /IPv4Address: invalid IP address: "zz"/,
  ],
];

const VOLUMES: readonly Row[] = [
  ...['../x', '.x', 'a\nb', 'x'.repeat(300)].map(
    (Name): Row => ['POST /volumes/create', { Name }, 400, /includes invalid characters for a local volume name/],
  ),
  ['POST /volumes/create', { Name: 'vv', Driver: 'nosuch' }, 404, /plugin "nosuch" not found/],
  ['POST /volumes/create', { Name: 'vv', DriverOpts: { zz: '1' } }, 400, /invalid option: "zz"/],
  ['POST /volumes/create', { Name: 'vv', DriverOpts: { type: 'tmpfs' } }, 400, /missing device/],
  [
    'POST /volumes/create',
    { Name: 'vv', DriverOpts: { type: 'none', device: 'rel', o: 'bind' } },
    400,
    /absolute path: "rel"/,
  ],
  ['DELETE /volumes/nosuch', undefined, 404, /no such volume/],
  ['DELETE /volumes/%2e%2e', undefined, 404, /get \.\.: no such volume/],
  ['DELETE /volumes/used', undefined, 409, /volume is in use - \[[0-9a-f]{64}/],
  ['POST /volumes/prune?filters=%7B%22zz%22%3A%5B%22a%22%5D%7D', undefined, 400, /invalid filter 'zz'/],
];

const BODIES: readonly Row[] = [
  ['POST /containers/create', { Image: 'nosuch' }, 404, /No such image: nosuch:latest/],
  ['POST /containers/create', {}, 400, /config cannot be empty/],
  ['POST /containers/create?name=run', { Image: IMAGE }, 409, /name "\/run" is already in use/],
  ['POST /containers/create?name=..', { Image: IMAGE }, 400, /Invalid container name \(\.\.\)/],
  [
    'POST /containers/create',
    { Image: IMAGE, HostConfig: { Memory: 'x' } },
    400,
    /HostConfig.Memory: must be an integer/,
  ],
  ['POST /containers/create', { Image: IMAGE, HostConfig: { Memory: 1 } }, 400, /Minimum memory limit/],
  [
    'POST /containers/create',
    { Image: IMAGE, HostConfig: { Binds: ['/a:/b', '/c:/b'] } },
    400,
    /Duplicate mount point: \/b/,
  ],
  [
    'POST /containers/create',
    { Image: IMAGE, HostConfig: { Binds: ['v2:/x'], VolumeDriver: 'no' } },
    404,
    /plugin "no"/,
  ],
  ['POST /containers/create', { Image: IMAGE, HostConfig: { Links: ['nosuch:x'] } }, 400, /No such container: nosuch/],
  ['POST /containers/create', { Image: IMAGE, HostConfig: { VolumesFrom: ['nosuch'] } }, 400, /nosuch \(VolumesFrom\)/],
];

interface Stage extends Daemon, InNetwork {
  request(line: string, body: unknown): ReturnType<Daemon['api']>;
}

async function stage(t: Test): Promise<Stage> {
  const daemon = tsrunDaemonWithNetwork(t, ['--bip', '172.31.77.1/24']);
  const { docker } = daemon;
  t.teardown(() => docker(['rm', '-fv', 'run', 'pz', 'ex', 'made']));
  must(docker(['load', '-i', imageArchive(daemon.directory)]));
  for (const name of ['run', 'pz'])
    must(docker(['run', '-d', '--name', name, '--network', 'none', '-v', 'used:/v', IMAGE, 'sleep', '1000']));
  must(docker(['pause', 'pz']));
  must(docker(['run', '--name', 'ex', '--network', 'none', IMAGE, 'true']));
  must(docker(['create', '--name', 'made', IMAGE, 'true']));
  const request: Stage['request'] = (line, body) => {
    const [method = '', path = ''] = line.split(' ');
    return body === undefined ? daemon.api(method, path) : post(daemon.socket, path, body);
  };
  return { ...daemon, request };
}

/** All that a refused request could have left. */
function everything(daemon: Stage): readonly unknown[] {
  const names = (path: string) => readdirSync(daemon.at(path)).toSorted();
  return [
    ...['data/containers', 'data/volumes', 'data/snapshots/active', 'exec/monitor', 'exec/runtime'].map(names),
    daemon.inNetwork('ip', '-o', 'link').stdout.replaceAll(/^\d+: /gm, ''),
    daemon.docker(['ps', '-a', '--format', '{{.Names}} {{.State}}']).stdout,
    daemon.docker(['network', 'ls', '-q']).stdout,
  ];
}

t.test('requests that cannot be answered name what is wrong, and leave nothing', { skip }, async (t) => {
  const daemon = await stage(t);
  const before = everything(daemon);
  for (const [line, body, status, words] of [...STATES, ...NETWORKS, ...VOLUMES, ...BODIES]) {
    const answer = await daemon.request(line, body);
    const text = answer.json?.message ?? answer.text;
    t.match(
      [answer.status, text],
      [status, words],
      `${line} ${JSON.stringify(body)?.slice(0, 100)}: ${text.slice(0, 200)}`,
    );
  }
  t.strictSame(everything(daemon), before);
  t.ok(existsSync(`/proc/${daemon.pid}`), 'the same process');

  // The twins: the same requests, right.
  for (const [line, body, status] of [
    ['POST /containers/run/resize?h=0&w=0', undefined, 200],
    ['POST /containers/run/rename?name=other', undefined, 204],
    ['POST /containers/other/rename?name=run', undefined, 204],
    ['POST /networks/create', { Name: 'n', IPAM: { Config: [{ Subnet: '10.9.0.0/24', Gateway: '10.9.0.9' }] } }, 201],
    [
      'POST /networks/n/connect',
      { Container: 'made', EndpointConfig: { IPAMConfig: { IPv4Address: '10.9.0.8' } } },
      200,
    ],
    ['POST /networks/n/connect', { Container: 'made' }, 403], // twice
    ['POST /networks/create', { Name: 'n' }, 409], // twice
    ['POST /networks/create', { Name: 'm', IPAM: { Config: [{ Subnet: '10.9.0.0/25' }] } }, 403], // overlaps
    ['POST /networks/n/disconnect', { Container: 'made' }, 200],
    ['DELETE /networks/n', undefined, 204],
    ['POST /volumes/create', { Name: 'vv', DriverOpts: { type: 'none', device: '/srv', o: 'bind' } }, 201],
    ['DELETE /volumes/vv', undefined, 204],
    ['GET /containers/json?filters=null', undefined, 200],
  ] as const) {
    const answer = await daemon.request(line, body);
    t.equal(answer.status, status, `${line}: ${answer.text.slice(0, 200)}`);
  }
  t.strictSame(everything(daemon), before);
});

/** What is only seen at the start is as much the client's fault: Config and HostConfig, status, words, exit code. */
const STARTS: readonly (readonly [object, object, number, RegExp, number])[] = [
  [{ User: 'nosuch' }, {}, 400, /unable to find user nosuch/, 128],
  [{ User: '4294967296' }, {}, 400, /range 0-2147483647 \(got 4294967296\)/, 128],
  [{ User: '-1' }, {}, 400, /\(got -1\)/, 128],
  [{}, { GroupAdd: ['nosuch'] }, 400, /unable to find group nosuch/, 128],
  [
    {},
    { Sysctls: { 'kernel.core_pattern': 'x' } },
    400,
    /kernel.core_pattern.*not in a separate kernel namespace/,
    128,
  ],
  [{}, { SecurityOpt: ['seccomp={'] }, 400, /Decoding seccomp profile failed/, 128],
  [{}, { MaskedPaths: ['rel'] }, 400, /maskedPaths\/0.*absolute path \(got "rel"\)/, 128],
  [{}, { Binds: ['/tmp:/proc/self/attr'] }, 400, /"\/proc\/self\/attr"/, 128],
  [{}, { CgroupParent: '/a\nb' }, 400, /cgroupsPath.*line break/, 128],
  [{}, { NetworkMode: 'nosuch' }, 404, /network nosuch not found/, 128],
  [{}, { NetworkMode: 'container:nosuch' }, 404, /No such container: nosuch/, 128],
  [{}, { NetworkMode: 'container:ex' }, 409, /network of a non running container/, 128],
  [{}, { IpcMode: 'container:ex' }, 409, /IPC namespace of a non running container: ex/, 128],
  [{ Cmd: [''] }, {}, 400, /args\/0.*must not be empty/, 128],
  [{ Cmd: ['nosuch'] }, {}, 400, /executable file not found/, 127],
  [{ Cmd: ['/etc'] }, {}, 400, /is a directory: permission denied/, 126],
  [{ Cmd: ['x'.repeat(200_000)] }, {}, 400, /argument list too long/, 128],
  [{ WorkingDir: '/proc/self/fd/7' }, {}, 400, /must not lead through a file descriptor/, 128],
];

t.test('a start that cannot be says why, and nothing of it is left', { skip }, async (t) => {
  const daemon = await stage(t);
  const before = everything(daemon);
  for (const [config, host, status, words, code] of STARTS) {
    const body = { Image: IMAGE, Cmd: ['true'], HostConfig: { NetworkMode: 'none', ...host }, ...config };
    const made = await post(daemon.socket, '/containers/create?name=bad', body);
    const label = JSON.stringify([config, host]).slice(0, 100);
    t.equal(made.status, 201, `${label}: ${made.text}`);
    const { status: answered, json } = await daemon.api('POST', '/containers/bad/start');
    t.match([answered, json?.message], [status, words], label);
    const { State } = (await daemon.api('GET', '/containers/bad/json')).json;
    t.match(State, { Status: 'created', ExitCode: code, Error: words }, `${label}: told afterwards too`);
    t.equal((await daemon.api('DELETE', '/containers/bad')).status, 204);
  }
  t.strictSame(everything(daemon), before);

  const exec = async (config: object): Promise<readonly unknown[]> => {
    const { json } = await post(daemon.socket, '/containers/run/exec', { AttachStdout: true, ...config });
    const begun = await post(daemon.socket, `/exec/${json.Id}/start`, { Detach: true });
    const again = await post(daemon.socket, `/exec/${json.Id}/start`, { Detach: true });
    const { ExitCode } = (await daemon.api('GET', `/exec/${json.Id}/json`)).json;
    return [begun.status, begun.json?.message ?? '', again.status, ExitCode];
  };
  for (const [config, words, code] of [
    [{ Cmd: ['true'], Env: ['=x'] }, /exec failed: .*env\/\d+.*"=x"/, 126],
    [{ Cmd: [''] }, /exec failed: .*args\/0.*must not be empty/, 126],
    [{ Cmd: ['true'], WorkingDir: 'rel' }, /Cwd must be an absolute path: rel/, 126],
    [{ Cmd: ['true'], WorkingDir: '/nosuch' }, /'\/nosuch'/, 126],
    [{ Cmd: ['true'], User: 'a\nb' }, /unable to find user a\\nb/, 126],
    [{ Cmd: ['nosuch'] }, /executable file not found/, 127],
  ] as const)
    t.match(await exec(config), [400, words, 409, code], JSON.stringify(config));
  t.match(await exec({ Cmd: ['sleep', '2'] }), [200, '', 409, null], 'the twin');
  t.ok(existsSync(`/proc/${daemon.pid}`), 'the same process');
});
