/** Readable names for new rooms, such as `amber-otter-4821`. */

const ADJECTIVES =
  'amber ample azure bold brave breezy bright brisk calm clear clever coral cosy crisp dapper deft eager early fair fond fresh gentle glad golden grand hazel honest jolly keen kind lively lucid lucky mellow merry mild misty neat noble olive open patient plain polite proud quick quiet rapid ready rosy rustic silver sleek smart snug solid steady still sunny swift tidy vivid warm witty'.split(
    ' ',
  );

const ANIMALS =
  'alpaca badger beaver bison bobcat camel cheetah condor cougar crane curlew dingo dolphin eagle egret falcon ferret finch fox gecko gibbon goose grouse hare hawk heron hippo ibex ibis jackal jaguar koala lark lemur lion lizard llama lynx magpie marmot marten moose newt ocelot orca osprey otter owl panda parrot pelican pigeon plover puffin quail rabbit raven robin salmon seal sparrow stork swan tapir tiger toucan turtle walrus wombat wren yak zebra'.split(
    ' ',
  );

/** Gives a whole number from 0 up to, but without, `below`. */
export type RandomBelow = (below: number) => number;

export function randomRoomName(random: RandomBelow = secureRandomBelow): string {
  const adjective = ADJECTIVES[random(ADJECTIVES.length)] ?? 'open';
  const animal = ANIMALS[random(ANIMALS.length)] ?? 'owl';
  return `${adjective}-${animal}-${1000 + random(9000)}`;
}

/** The name is what keeps strangers out, so it must not be predictable. */
function secureRandomBelow(below: number): number {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return value % below;
}
