// Browsers start no worker from a page on disk, and the search is one. There, its script runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.srcdoc = "<html><head></head><body></body></html>"
      this.ready = new Promise((resolve) => {
        frame.onload = () => {
          const inside = frame.contentWindow
          const load = (address) => new Promise((done, failed) => {
            const script = inside.document.createElement("script")
            Object.assign(script, { src: address, onload: done, onerror: failed })
            inside.document.head.append(script)
          })
          inside.importScripts = async (...addresses) => { for (const each of addresses) await load(each) }
          inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
          load(url).then(() => resolve(inside), () => this.dispatchEvent(new Event("error")))
        }
      })
      document.documentElement.append(frame)
    }
    postMessage(data) {
      this.ready.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })))
    }
  }
}
