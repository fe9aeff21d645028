// Preloaded into a Node that is started ahead: waits for its run, then lets Node go on to `main.js` as if it had not waited.
'use strict'
const { isMainThread } = require('worker_threads')
// A worker thread preloads this file again, and only has to forget it.
delete require.cache[__filename]
process.execArgv.splice(process.execArgv.indexOf(__filename) - 1, 2)
const Module = require('module')
for (const [request, file] of Object.entries(Module._pathCache)) if (file === __filename) delete Module._pathCache[request]
if (isMainThread) {
  const fs = require('fs')
  const path = require('path')
  // What console.log loads and compiles when it is first called takes longer than many a program. Nothing here opens the
  // program's own streams or takes an asynchronous id, both of which a program could see.
  const { moduleLoadList } = process
  const loaded = moduleLoadList.length
  const { Socket } = require('net')
  require('tty')
  new Socket().destroyed
  const { Writable } = require('stream')
  new console.Console({ stdout: new Writable({ write() {} }), colorMode: false }).log('%s', 0, { a: ['b'] })
  moduleLoadList.length = loaded
  fs.writeSync(3, 'up')
  const message = Buffer.alloc(1 << 18)
  const length = fs.readSync(3, message)
  fs.closeSync(3)
  if (length === 0) process.exit(0)
  const words = message.toString('utf8', 0, length).split('\0')
  if (words[0] === 'live') {
    // The answer to this call is a pipe in the place of the input file.
    fs.utimesSync('.', 0, 0)
  }
  // The directory got its name only now; changing into it makes Node forget the name that it remembers.
  process.chdir('.')
  const main = path.resolve('main.js')
  process.argv[1] = main
  process.argv.push(...words.slice(1))
  // Node took the main file's path down before. A bound function leaves no frame in stack traces.
  const runMain = Module.runMain
  const ordinary = { value: runMain, writable: true, enumerable: true, configurable: true }
  Object.defineProperty(Module, 'runMain', {
    configurable: true,
    enumerable: true,
    get() {
      Object.defineProperty(Module, 'runMain', ordinary)
      return runMain.bind(Module, main)
    },
  })
}
