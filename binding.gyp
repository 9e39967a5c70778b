{
  # Second door for tools that insist on node-gyp. The build itself is CMakeLists.txt, driven by cmake-js.
  "targets": [
    {
      "target_name": "tsrun-native",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake-js",
          "inputs": ["CMakeLists.txt", "<!@(cat csrc/sources.addon csrc/sources.executor csrc/sources.monitor csrc/sources.snapshot)"],
          "outputs": [
            "<(PRODUCT_DIR)/tsrun.node", "<(PRODUCT_DIR)/tsrun-executor", "<(PRODUCT_DIR)/tsrun-monitor",
            "<(PRODUCT_DIR)/tsrun-snapshot"
          ],
          "action": ["node", "node_modules/cmake-js/bin/cmake-js", "compile", "--out", "build/cmake", "-l", "warn"]
        }
      ]
    }
  ]
}
