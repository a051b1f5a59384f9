// Yjs as the web client has it installed, and what both scripts share.
import { createRequire } from 'node:module'

// Yjs warns that subdocuments are used twice: states are compared by loading them often.
console.error = () => {}
const require = createRequire(new URL('../../../web-client/package.json', import.meta.url))
export const Y = require('yjs')

export const toHex = bytes => Buffer.from(bytes).toString('hex')
export const fromHex = text => new Uint8Array(Buffer.from(text, 'hex'))

const KINDS = new Map([
  [Y.ContentDeleted, 'Deleted'], [Y.ContentJSON, 'Json'], [Y.ContentBinary, 'Binary'], [Y.ContentString, 'String'],
  [Y.ContentEmbed, 'Embed'], [Y.ContentFormat, 'Format'], [Y.ContentType, 'Type'], [Y.ContentAny, 'Any'],
  [Y.ContentDoc, 'Doc']
])

const kindOf = struct => {
  if (struct.constructor === Y.GC) return 'Gc'
  if (struct.constructor === Y.Skip) return 'Skip'
  return KINDS.get(struct.content.constructor)
}

const id = value => value ? `${value.client}:${value.clock}` : ''
const parent = struct => struct.parent?.client === undefined ? '' : id(struct.parent)

/** What Yjs reads in an update: a line for each struct, where it stands but not what it says, and one for each deleted range. */
export const describe = (update, withText = false) => {
  const { structs, ds } = Y.decodeUpdate(update)
  const lines = structs.map(struct => {
    const line = [id(struct.id), struct.length, kindOf(struct), id(struct.origin), id(struct.rightOrigin), parent(struct)].join(' ')
    return withText ? `${line} ${struct.content?.str}` : line
  })
  const clients = [...ds.clients].sort(([a], [b]) => a - b)
  return [lines, clients.flatMap(([client, ranges]) => ranges.map(({ clock, len }) => `${client}:${clock} ${len}`))]
}
