"""layering.py finds each kind of violation, and nothing in a clean tree."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import layering  # noqa: E402


class LayeringTest(unittest.TestCase):
    def found(self, path, text):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            for name in ("models/core", "models/tlm", "api", "platform", "testbench"):
                (root / name).mkdir(parents=True)
            (root / path).write_text(text)
            return list(layering.violations(root))

    def test_clean(self):
        self.assertEqual(self.found("models/tlm/a.h", '#include <systemc>\n#include "models/core/types.h"\n'), [])
        self.assertEqual(self.found("api/a.h", '#include "models/vtd/records.h"\n'), [])
        self.assertEqual(self.found("platform/a.cpp", '#include <boost/program_options.hpp>\n#include "api/system.h"\n'), [])

    def test_systemc_below_its_layer(self):
        self.assertEqual(self.found("models/core/a.h", "#include <systemc>\n"), ["models/core/a.h:1: models/core includes <systemc>"])
        self.assertEqual(len(self.found("api/a.h", "#include <tlm_utils/simple_target_socket.h>\n")), 1)
        self.assertEqual(len(self.found("models/core/a.h", "\nsc_core::sc_time t;\n")), 1)

    def test_upwards(self):
        self.assertEqual(self.found("models/core/a.h", '#include "models/vtd/records.h"\n'),
                         ['models/core/a.h:1: models/core includes "models/vtd/records.h" of models/vtd'])
        self.assertEqual(len(self.found("models/tlm/a.h", '#include "platform/config.h"\n')), 1)
        self.assertEqual(len(self.found("platform/a.h", '#include "testbench/x.h"\n')), 1)

    def test_api_looks_inside_the_model(self):
        self.assertEqual(self.found("api/a.h", '#include "models/vtd/front_end.h"\n'),
                         ['api/a.h:1: api includes "models/vtd/front_end.h", which is the model\'s inside'])

    def test_boost_outside_the_platform(self):
        self.assertEqual(len(self.found("models/tlm/a.h", "#include <boost/any.hpp>\n")), 1)


if __name__ == "__main__":
    unittest.main()
