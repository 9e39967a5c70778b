/**
 * critest of cri-tools: the tests of the Kubernetes runtime interface. A containerd of PATH, with sockets and directories of
 * its own, is given the runtime as its runc. The images that critest names must be in the archives beside it (*.tar, as
 * "ctr images export" writes them): nothing is downloaded.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readText } from '../harness/lab.js';
import type { Result } from '../harness/model.js';
import { type Adapter, type AdapterOptions, foreign, runProgram } from './adapter.js';
import { clientProblem, openContainerd } from './containerd.js';

export const critest: Adapter = {
  place: 'the program critest, with archives of its images (*.tar) beside it',
  missing: ({ place }) => clientProblem(place),
  async *run(options) {
    const { socket, close } = await openContainerd(options);
    try {
      await importImages(options, socket);
      yield* await runCritest(options, socket);
    } finally {
      await close();
    }
  },
};

async function importImages({ place, timeout }: AdapterOptions, socket: string): Promise<void> {
  const directory = dirname(place);
  for (const name of readdirSync(directory).filter((each) => each.endsWith('.tar'))) {
    const argv = ['ctr', '--address', socket, '--namespace', 'k8s.io', 'images', 'import', join(directory, name)];
    const { status, stderr } = await runProgram(argv, { seconds: timeout });
    if (status !== 0) throw new Error(`the image ${name} cannot be imported: ${stderr.trim()}`);
  }
}

async function runCritest({ place, dir, wants, timeout }: AdapterOptions, socket: string): Promise<readonly Result[]> {
  const reports = join(dir, 'reports');
  mkdirSync(reports);
  const endpoint = `unix://${socket}`;
  const argv = [place, '--runtime-endpoint', endpoint, '--image-endpoint', endpoint, '--report-dir', reports];
  const ended = await runProgram(argv, { cwd: dir, seconds: timeout });
  const files = readdirSync(reports).filter((name) => name.endsWith('.xml'));
  const results = files.flatMap((name) => readJunit(readText(join(reports, name))));
  if (results.length === 0)
    return [foreign('critest: ends', 'failed', `no report (status ${ended.status}): ${ended.stderr.slice(-600)}`)];
  return results.filter(({ id }) => wants(id));
}

/** The test cases of a JUnit report. Pure. */
export function readJunit(text: string): Result[] {
  return [...text.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(
    ([, attributes = '', body = '']) => {
      const id = unescapeXml(/\bname="([^"]*)"/.exec(attributes)?.[1] ?? '');
      const problem = /<(failure|error|skipped)\b([^>]*?)(?:\/>|>([\s\S]*?)<\/\1>)/.exec(body);
      if (problem === null) return foreign(id, 'passed');
      const [, tag, more = '', words = ''] = problem;
      const detail = unescapeXml(/\bmessage="([^"]*)"/.exec(more)?.[1] ?? words)
        .trim()
        .slice(0, 1000);
      return foreign(id, tag === 'skipped' ? 'skipped' : 'failed', detail);
    },
  );
}

const ENTITIES: { readonly [name: string]: string } = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  amp: '&',
  '#xA': '\n',
  '#10': '\n',
};

function unescapeXml(text: string): string {
  return text.replace(/&(#?\w+);/g, (all, name: string) => ENTITIES[name] ?? all);
}
