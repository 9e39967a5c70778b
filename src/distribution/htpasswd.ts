/**
 * Who may come in: a file of "name:bcrypt" lines, as htpasswd -B makes it, read anew when it changes. Checking a password
 * is slow on purpose, so one that was right is remembered, as a keyed hash, until the file changes; and only a few are
 * checked at once.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { compare } from 'bcryptjs';
import { TsrunError } from '../errors.js';
import { readHostFile } from '../util/file.js';
import { quote } from '../util/quote.js';

const MAX_FILE = 16 * 1024 * 1024;
const BCRYPT = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/;
/** Of a password that nobody has: an unknown name takes as long as a known one. */
const NOBODY = '$2b$10$abcdefghijklmnopqrstuuVXuMpcr.bFzMbJ8Nk8cLXHfmUi1nyZy';
const MAX_REMEMBERED = 1000;
const MAX_CHECKS = 8;

export type Verdict = 'welcome' | 'refused' | 'busy';

export class Htpasswd {
  private readonly key = randomBytes(32);
  private readonly known = new Set<string>();
  private hashes: ReadonlyMap<string, string> = new Map();
  private version = '';
  private checks = 0;

  /** Throws TsrunError IO, USAGE for a file that has no such lines. */
  constructor(
    private readonly path: string,
    private readonly warn: (message: string) => void,
  ) {
    this.load();
  }

  /** header: Authorization. */
  async check(header: string | undefined): Promise<Verdict> {
    const [, encoded] = /^basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '') ?? [];
    if (encoded === undefined) return 'refused';
    this.reload();
    const mark = createHmac('sha256', this.key).update(encoded).digest('base64');
    if (this.known.has(mark)) return 'welcome';
    if (this.checks >= MAX_CHECKS) return 'busy';
    this.checks++;
    try {
      return (await this.matches(Buffer.from(encoded, 'base64').toString('utf8'), mark)) ? 'welcome' : 'refused';
    } finally {
      this.checks--;
    }
  }

  private async matches(credentials: string, mark: string): Promise<boolean> {
    const { version } = this;
    const colon = credentials.indexOf(':');
    const hash = this.hashes.get(credentials.slice(0, Math.max(0, colon)));
    const right = await compare(credentials.slice(colon + 1), hash ?? NOBODY);
    if (!right || hash === undefined) return false;
    if (this.known.size >= MAX_REMEMBERED) this.known.clear();
    if (version === this.version) this.known.add(mark);
    return true;
  }

  /** A file that is being written, or is gone, changes nothing. */
  private reload(): void {
    try {
      if (versionOf(this.path) !== this.version) this.load();
    } catch (error) {
      this.warn(`${error instanceof Error ? error.message : error}: the passwords stay as they were`);
      this.version = versionOf(this.path);
    }
  }

  private load(): void {
    const version = versionOf(this.path);
    this.hashes = parse(readHostFile(this.path, '--htpasswd', { max: MAX_FILE }).toString('utf8'), this.path);
    this.known.clear();
    this.version = version;
  }
}

function versionOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? 'gone' : `${found.ino} ${found.mtimeMs} ${found.size}`;
}

function parse(text: string, path: string): ReadonlyMap<string, string> {
  const entries = text
    .split('\n')
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'));
  return new Map(
    entries.map(({ line, number }) => {
      const colon = line.indexOf(':');
      const hash = line.slice(colon + 1);
      if (colon > 0 && BCRYPT.test(hash)) return [line.slice(0, colon), hash];
      throw new TsrunError('USAGE', `--htpasswd: ${quote(path)}:${number}: it is not NAME:HASH with a hash of bcrypt`, {
        hint: 'htpasswd -B makes such lines',
      });
    }),
  );
}
