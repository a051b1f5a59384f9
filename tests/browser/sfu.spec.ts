import { expectWay } from './connections.js';
import { expect, freshRoom, join, test } from './fixtures.js';
import { expectPeople, gather, openMember, openPeople, SCREEN, tile, type Member } from './gathering.js';
import { expectAllReceived, expectReceived } from './received.js';
import { expectFrames } from './synthetic-media.js';

const expectServer = (members: readonly Member[]) => Promise.all(members.map(({ page }) => expectWay(page, 'server')));

test('four people each see and hear the three others by way of the server', async ({ server, chromium, pages }) => {
  const members = await gather(pages, chromium, server, freshRoom(), 4);
  await expectServer(members);
  await expectAllReceived(members);
});

test('Firefox is in a room with three others, both ways', async ({ server, chromium, firefoxEsr, pages }) => {
  const room = freshRoom();
  const others = await gather(pages, chromium, server, room, 3);
  const dee = await openMember(pages, firefoxEsr, 3);
  await join(dee.page, server, room, dee.name);
  await expectServer([...others, dee]);
  await expectAllReceived([...others, dee]);
});

test('a mesh becomes a room with a server and a mesh again, as the fourth comes and goes', async ({
  server,
  chromium,
  pages,
}) => {
  const room = freshRoom();
  const three = await gather(pages, chromium, server, room, 3);
  const dee = await openMember(pages, chromium, 3);
  const expectMesh = () => Promise.all(three.map(({ page }) => expectWay(page, { others: 2 })));
  await expectMesh();
  await expectAllReceived(three);
  await join(dee.page, server, room, dee.name);
  await expectServer([...three, dee]);
  await expectAllReceived([...three, dee]);
  await dee.page.getByRole('button', { name: 'Leave' }).click();
  await expectMesh();
  await expectAllReceived(three);
});

for (const [mode, count] of [
  ['a mesh', 2],
  ['a room with a server', 4],
] as const) {
  test(`a shared screen is seen and heard by the others in ${mode}, until it ends`, async ({
    server,
    chromium,
    pages,
  }) => {
    const members = await gather(pages, chromium, server, freshRoom(), count);
    const [ada, ...others] = members as [Member, ...Member[]];
    await Promise.all(members.map(({ page }) => expectWay(page, count === 2 ? { others: 1 } : 'server')));
    const expectScreen = () => Promise.all(others.map(({ page }) => expectReceived(page, "Ada's screen", SCREEN)));
    await ada.page.getByRole('button', { name: 'Share screen' }).click();
    await expectScreen();
    await expectAllReceived(members);
    await ada.page.getByRole('button', { name: 'Stop sharing' }).click();
    for (const { page } of others) await expect(tile(page, "Ada's screen")).toHaveCount(0);
    await ada.page.getByRole('button', { name: 'Share screen' }).click();
    await expectScreen();
    // Whoever came last may not moderate, the first may: here somebody else shares.
    await ada.page.getByRole('button', { name: 'Stop sharing' }).click();
    const [bob] = others as [Member];
    await bob.page.getByRole('button', { name: 'Share screen' }).click();
    await expectReceived(ada.page, "Bob's screen", SCREEN);
    await openPeople(ada.page);
    await ada.page.getByRole('button', { name: "Stop Bob's screen" }).first().click();
    await expect(bob.page.getByRole('button', { name: 'Share screen' })).toBeVisible();
    for (const { page } of members) await expect(tile(page, "Bob's screen")).toHaveCount(0);
  });
}

test('who reloads comes back as the same person, and media goes both ways again', async ({
  startServer,
  chromium,
  pages,
}) => {
  const server = await startServer({ STOA_ROOMS_MESH_MAX: '1' });
  const members = await gather(pages, chromium, server, freshRoom(), 3);
  const [ada, bob, cyd] = members as [Member, Member, Member];
  await expectServer(members);
  await expectAllReceived(members);
  await bob.page.getByRole('button', { name: 'Mute microphone' }).click();
  await bob.page.reload();
  await bob.page.getByRole('button', { name: 'Unmute microphone' }).click();
  await expectServer(members);
  for (const { page } of [ada, cyd]) await expectFrames(page, 'Bob');
  await expectAllReceived(members);
  await expectPeople(ada.page, ['Bob', 'Cyd']);
  await expectPeople(bob.page, ['Ada', 'Cyd']);
});

test('what comes in the place of somebody who left is never their picture', async ({ server, chromium, pages }) => {
  const members = await gather(pages, chromium, server, freshRoom(), 5);
  const [ada, bob, cyd, dee, eve] = members as [Member, Member, Member, Member, Member];
  await expectServer(members);
  const watchers = [ada, cyd, dee];
  await Promise.all(watchers.map(({ page }) => expectReceived(page, 'Eve', eve.sent)));
  await eve.page.getByRole('button', { name: 'Leave' }).click();
  for (const { page } of watchers) await expect(tile(page, 'Eve')).toHaveCount(0);
  await bob.page.getByRole('button', { name: 'Share screen' }).click();
  await Promise.all(watchers.map(({ page }) => expectReceived(page, "Bob's screen", SCREEN)));
});
