package benchreport
import ("io";"github.com/lockproof/lockproof/bench")
type Picture string
func (p Picture) file() string {return ""}
func pictures() []Picture {return nil}
func SVGs(r *bench.Result) []Picture {return nil}
func SVG(w io.Writer, r *bench.Result, p Picture) error {return nil}
