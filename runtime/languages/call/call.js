// Calls one function of a submission, and leaves what it returns in a file: prints have nothing to do with it.
const fs = process.getBuiltinModule('fs')
const folder = process.cwd() + '/.case/'

class Refused extends Error {}

const leave = (key, text) => fs.writeFileSync(folder + 'returned', `{"${key}":${text}}`)
const fail = (message) => {
  leave('error', JSON.stringify(message))
  process.exitCode = 1
}

function found(name) {
  const [root, method] = name.split('.')
  let owner
  try {
    owner = globalThis[Symbol.for('executor.function')]()
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
  }
  if (!method) {
    if (typeof owner !== 'function') throw new Refused(owner === undefined ? `there is no function ${name}` : `${name} is no function`)
    return owner
  }
  if (owner === undefined) throw new Refused(`there is no class ${root}`)
  const target = typeof owner !== 'function' || typeof owner[method] === 'function' ? owner : new owner()
  if (typeof target[method] !== 'function') throw new Refused(`there is no function ${name}`)
  const called = (...values) => target[method](...values)
  return Object.defineProperty(called, 'length', { value: target[method].length })
}

function plain(key, value) {
  // JSON.stringify would make something else of all of these without a word.
  const given = key === '' ? value : this[key]
  if (typeof given === 'number' && !Number.isFinite(given)) throw new Refused(`${given}`)
  if (typeof given === 'bigint') return JSON.rawJSON ? JSON.rawJSON(`${given}`) : Number(given)
  if (given === undefined || typeof given === 'function' || typeof given === 'symbol') throw new Refused(typeof given)
  if (ArrayBuffer.isView(given)) return Array.from(given)
  for (const kind of [Map, Set, WeakMap, WeakSet, Promise, RegExp]) if (given instanceof kind) throw new Refused(`a ${kind.name}`)
  return value
}

function asJson(name, value) {
  if (value === undefined) throw new Refused(`${name} returned undefined, which JSON cannot carry: is there a return?`)
  try {
    return JSON.stringify(value, plain)
  } catch (error) {
    const words = error instanceof RangeError ? 'it is nested too deeply' : error instanceof TypeError ? 'it contains itself' : error.message
    throw new Refused(`${name} returned a value that JSON cannot carry: ${words}`)
  }
}

async function executorCall() {
  const call = JSON.parse(fs.readFileSync(folder + 'call', 'utf8'))
  const name = call.function
  try {
    await import('./{file}')
    const called = found(name)
    const count = call.arguments.length
    if (called.length > count) throw new Refused(`${name} is called with ${count} argument${count === 1 ? '' : 's'}, and takes ${called.length}`)
    const text = asJson(name, await called(...call.arguments))
    const size = Buffer.byteLength(text)
    if (size > call.most_bytes) throw new Refused(`${name} returned ${size} bytes of JSON: at most ${call.most_bytes} may be`)
    leave('value', text)
  } catch (error) {
    if (error instanceof Refused) return fail(error.message)
    // The frames that are not the submission's go.
    if (error instanceof Error) error.stack = `${error.stack}`.replace(/\n    at (?:async )?executorCall [^]*$/, '')
    console.error(error)
    fail(error instanceof Error ? `${error.name}${error.message && ': '}${error.message}` : `${name} threw ${String(error)}`)
  }
}

executorCall()
