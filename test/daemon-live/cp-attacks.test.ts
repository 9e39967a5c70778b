// docker cp while the container works against it: names that are directories and links by turns (CVE-2018-15664), and
// programs and libraries of its own where a host might look for some (CVE-2019-14271). Nothing of the host is read or
// written, nothing of the container runs outside of it, and what is right is copied meanwhile.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needDocker, tsrunDaemon } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { beside, needCompiler } from '../helpers/programs.js';

t.setTimeout(120_000);
const SECRET = 'canary 5d1e';
const LONG_MS = 3000;

t.test(
  'a directory that becomes a link and back leads nowhere',
  { skip: skipUnless(needDocker(), needCompiler()) },
  async (t) => {
    const daemon = tsrunDaemon(t);
    const { docker, api, at } = daemon;
    must(docker(['load', '-i', imageArchive(daemon.directory)]));
    for (const name of ['share/a', 'canary']) mkdirSync(at(name), { recursive: true });
    writeFileSync(at('canary/file'), SECRET);
    writeFileSync(at('share/a/file'), 'of the container');
    symlinkSync(at('canary'), at('share/link'));
    must(
      docker(['run', '-d', '--name', 'cc', '--network', 'none', '-v', `${at('share')}:/work`, IMAGE, 'sleep', '1000']),
    );
    t.teardown(() => docker(['rm', '-f', 'cc']));
    writeFileSync(at('planted'), 'planted');
    const tar = spawnSync('tar', ['-C', daemon.directory, '-c', 'planted']).stdout;
    const statuses: { [status: string]: number } = {};
    const texts: string[] = [];
    const end = Date.now() + LONG_MS;
    await beside('swap', [at('share/a'), at('share/link'), '20'], async () => {
      while (Date.now() < end) {
        for (const [method, path] of [
          ['GET', '/work/a/file'],
          ['GET', '/work/a/'],
          ['HEAD', '/work/a/file'],
          ['PUT', '/work/a'],
        ] as const) {
          const body = method === 'PUT' ? { body: tar } : {};
          // One that is gone after its head was sent is cut off.
          const { status, text } = await api(
            method,
            `/containers/cc/archive?path=${encodeURIComponent(path)}`,
            body,
          ).catch(() => ({ status: 'cut', text: '' }));
          const key = `${method} ${status}`;
          statuses[key] = (statuses[key] ?? 0) + 1;
          texts.push(text);
        }
      }
    });
    t.notMatch(texts.join('\n'), SECRET);
    t.same(readdirSync(at('canary')), ['file'], 'nothing is planted');
    t.equal(readFileSync(at('canary/file'), 'utf8'), SECRET);
    const said = JSON.stringify(statuses);
    for (const key of ['GET 200', 'HEAD 200', 'PUT 200']) t.ok((statuses[key] ?? 0) > 5, `${key}: ${said}`);
    t.same(
      Object.keys(statuses).filter((key) => !/ (?:200|400|403|404)$|^GET cut$/.test(key)),
      [],
      said,
    );
  },
);

t.test(
  'no program and no library of the container runs to unpack an archive',
  { skip: skipUnless(needDocker(), needCommand('xz', 'xz-utils'), needCommand('zstd')) },
  async (t) => {
    const daemon = tsrunDaemon(t);
    const { docker, api, at } = daemon;
    must(docker(['load', '-i', imageArchive(daemon.directory)]));
    must(
      docker(['run', '-d', '--name', 'cc', '--network', 'none', '-v', `${at('marks')}:/marks`, IMAGE, 'sleep', '1000']),
    );
    t.teardown(() => docker(['rm', '-f', 'cc']));
    const trojans = ['usr/bin', 'bin', 'usr/local/bin', 'sbin'].flatMap((directory) =>
      ['xz', 'unxz', 'gzip', 'unpigz', 'zstd', 'bzip2', 'tar'].map((name) => `${directory}/${name}`),
    );
    const script = '#!/bin/sh\n: >/marks/ran; exit 1\n';
    for (const path of trojans) {
      mkdirSync(join(at('tree'), path, '..'), { recursive: true });
      writeFileSync(join(at('tree'), path), script);
      chmodSync(join(at('tree'), path), 0o755);
    }
    mkdirSync(at('marks'), { recursive: true });
    mkdirSync(at('tree/etc'));
    for (const [name, text] of [
      ['ld.so.preload', '/lib/evil.so\n'],
      ['nsswitch.conf', 'passwd: evil\n'],
    ] as const)
      writeFileSync(join(at('tree/etc'), name), text);
    must(docker(['cp', `${at('tree')}/.`, 'cc:/']));
    must(docker(['exec', 'cc', 'sh', '-c', '/usr/bin/xz; test -e /marks/ran && rm /marks/ran']));
    writeFileSync(at('file'), 'content');
    const tar = spawnSync('tar', ['-C', daemon.directory, '-c', 'file']).stdout;
    for (const packer of ['gzip', 'xz', 'zstd', 'bzip2']) {
      const packed = spawnSync(packer, ['-c'], { input: tar });
      if (packed.error !== undefined) continue;
      const { status, text } = await api('PUT', '/containers/cc/archive?path=/tmp', { body: packed.stdout });
      t.equal(status, 200, `${packer}: ${text}`);
      t.equal(must(docker(['exec', 'cc', 'cat', '/tmp/file'])).stdout, 'content');
      must(docker(['exec', 'cc', '/bin/busybox', 'rm', '/tmp/file']));
    }
    must(docker(['cp', 'cc:/etc/passwd', at('copied')]));
    must(docker(['top', 'cc']));
    t.same(readdirSync(at('marks')), [], 'nothing of it has run');
  },
);
