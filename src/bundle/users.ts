/**
 * Who an image's user is: names are looked up in the image's own /etc/passwd and /etc/group, as text, never by the
 * host's C library. passwd(5), group(5); image-spec config.md, "User".
 *
 * Pure.
 */
import { TsrunError } from '../errors.js';
import { plain } from '../util/quote.js';

export interface Account {
  readonly uid: number;
  readonly gid: number;
  /**
   * Begins with gid, as dockerd's does: a group that a program could shed by a set-gid one would no longer keep it from what
   * is closed to the group (CVE-2022-36109).
   */
  readonly additionalGids: readonly number[];
  /** '/' where the image does not say. */
  readonly home: string;
}

/** Files of the image; '' where there is none. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

interface PasswdLine {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupLine {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** -1 and above 2^31-1 are refused, as runc and docker do. */
const MAX_ID = 2 ** 31 - 1;
const MAX_GROUPS = 65_536; // NGROUPS_MAX

function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

/** Lines that are no entries are passed over, as the C library does. */
function* passwdLines(text: string): Generator<PasswdLine> {
  for (const line of text.split('\n')) {
    const [name = '', , uidText, gidText, , home = ''] = line.split(':');
    const uid = parseId(uidText);
    const gid = parseId(gidText);
    if (name !== '' && uid !== undefined && gid !== undefined) yield { name, uid, gid, home };
  }
}

function* groupLines(text: string): Generator<GroupLine> {
  for (const line of text.split('\n')) {
    const [name = '', , gidText, members = ''] = line.split(':');
    const gid = parseId(gidText);
    if (name !== '' && gid !== undefined) yield { name, gid, members: members.split(',') };
  }
}

function first<T>(all: Iterable<T>, fits: (one: T) => boolean): T | undefined {
  for (const one of all) if (fits(one)) return one;
  return undefined;
}

/**
 * user: "", "name", "uid", "name:group", "uid:gid", … origin: who says so, for messages; '': they are dockerd's, which
 * clients know. Throws TsrunError.
 */
export function findAccount(user: string, files: AccountFiles, origin: string): Account {
  const [userText = '', groupText, ...more] = user.split(':');
  if (more.length > 0) throw unknown(origin, `user ${plain(user, 64)} is not USER or USER:GROUP`);
  const found = findUser(userText === '' ? '0' : userText, files, origin);
  const home = found.home === '' ? '/' : found.home;
  if (groupText === undefined || groupText === '') {
    return { uid: found.uid, gid: found.gid, additionalGids: groupsOf(found, files), home };
  }
  // A group that is named takes the place of all those the user is a member of.
  const gid = findGroup(groupText, files, origin);
  return { uid: found.uid, gid, additionalGids: [gid], home };
}

function findUser(text: string, { passwd }: AccountFiles, origin: string): PasswdLine {
  const uid = parseId(text);
  const line =
    first(passwdLines(passwd), ({ name }) => name === text) ??
    first(passwdLines(passwd), (one) => one.uid === uid && uid !== undefined);
  if (line !== undefined) return line;
  if (uid !== undefined) return { name: '', uid, gid: 0, home: '' };
  throw unknown(origin, missing('user', text, 'passwd'));
}

function findGroup(text: string, { group }: AccountFiles, origin: string): number {
  const named = first(groupLines(group), ({ name }) => name === text)?.gid ?? parseId(text);
  if (named !== undefined) return named;
  throw unknown(origin, missing('group', text, 'group'));
}

function groupsOf({ name, gid }: PasswdLine, { group }: AccountFiles): number[] {
  const gids = new Set([gid]);
  for (const line of groupLines(group)) {
    if (name !== '' && line.members.includes(name) && gids.size < MAX_GROUPS) gids.add(line.gid);
  }
  return [...gids];
}

function missing(kind: string, text: string, file: string): string {
  if (/^-?\d+$/.test(text)) return `uids and gids must be in range 0-${MAX_ID} (got ${plain(text, 64)})`;
  return `unable to find ${kind} ${plain(text, 64)}: no matching entries in ${file} file of the image`;
}

function unknown(origin: string, reason: string): TsrunError {
  return new TsrunError('IMAGE_INVALID', origin === '' ? reason : `${origin}: ${reason}`, {
    hint: 'name a user of the image, or a number, with --user',
  });
}

/** The account with these groups too: names of the image's /etc/group, or numbers. Throws TsrunError. */
export function addGroups(account: Account, groups: readonly string[], files: AccountFiles, origin: string): Account {
  if (groups.length === 0) return account;
  const gids = new Set([...account.additionalGids, ...groups.map((text) => findGroup(text, files, origin))]);
  return { ...account, additionalGids: [...gids] };
}
