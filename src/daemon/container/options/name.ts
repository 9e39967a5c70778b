/** Names of containers: dockerd's rule, and one made up of an adjective and a noun. */
import { randomInt } from 'node:crypto';
import { refuse } from './refuse.js';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** A file name and a DNS name come of it. */
const LONGEST = 255;

/** Without the slash that clients may write. Throws TsrunError REQUEST_INVALID. */
export function checkName(asked: string): string {
  const name = asked.replace(/^\//, '');
  if (name.length > LONGEST)
    throw refuse(`Invalid container name (${name.slice(0, 64)}…): longer than ${LONGEST} bytes`);
  if (NAME.test(name)) return name;
  throw refuse(`Invalid container name (${asked}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}

const ADJECTIVES =
  'amber bold brisk calm clear crisp deft eager early fair fast firm fond free glad grand green happy keen kind late light lively loud lucid merry mild neat nimble noble patient plain proud quick quiet ready rosy sharp silent smart snug solid stern sunny sure swift tall tidy true vivid warm wise witty young'.split(
    ' ',
  );
const NOUNS =
  'acorn alder anchor apple arrow aspen badger beacon birch bridge brook cedar cliff cloud comet coral crane creek dune eagle ember falcon fern field finch fjord forest fox garden glacier grove harbor hawk hazel heron hill island ivy jay juniper lake lantern lark linden lynx maple marsh meadow moon moss oak orchard otter owl pebble pine plum pond poplar quartz raven reed ridge river robin sparrow spring spruce star stone swan thistle tide trail tulip valley walnut willow wren'.split(
    ' ',
  );

const one = (words: readonly string[]): string => words[randomInt(words.length)] ?? '';

/** attempt: from the third on a number makes it likely to be free. */
export function makeUpName(attempt = 0): string {
  const name = `${one(ADJECTIVES)}_${one(NOUNS)}`;
  return attempt < 3 ? name : `${name}${randomInt(1000)}`;
}
