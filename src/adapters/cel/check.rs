//! What a rule may be made of: known names, and nothing that takes long.

use cel_interpreter::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue};

use super::pattern::Pattern;
use super::program::Vocabulary;
use crate::adapters::units::nearest;

/// What stands in a checked rule for a pattern. Nobody can write such a name.
pub(super) fn name_of_pattern(index: usize) -> String {
    format!("@pattern{index}")
}

pub(super) const TOO_DEEP: &str = "nested too deeply; make several rules of it";

/// How deep a rule's parts may be nested: each takes stack when it is evaluated.
/// A chain of `+` nests, chains of `&&` and `||` hardly do.
const DEEPEST: usize = 200;

/// What a rule is made of.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) variables: Vec<&'static str>,
    pub(super) patterns: Vec<Pattern>,
}

/// Checks the rule, and puts compiled patterns in place of their texts.
pub(super) fn check(rule: &mut IdedExpr, vocabulary: &Vocabulary) -> Result<Checked, String> {
    let mut check = Check {
        vocabulary,
        checked: Checked::default(),
        element: None,
        depth: 0,
    };
    check.visit(rule)?;
    Ok(check.checked)
}

struct Check<'v> {
    vocabulary: &'v Vocabulary,
    checked: Checked,
    /// Inside `exists` and the like, what it calls the element.
    element: Option<String>,
    depth: usize,
}

impl Check<'_> {
    fn visit(&mut self, part: &mut IdedExpr) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(TOO_DEEP.to_owned());
        }
        match &mut part.expr {
            Expr::Unspecified => return Err("no CEL".to_owned()),
            Expr::Literal(_) => {}
            Expr::Call(call) => self.call(call)?,
            Expr::Comprehension(loop_) => self.comprehension(loop_)?,
            Expr::Ident(_) | Expr::Select(_) => self.name(&mut part.expr)?,
            Expr::List(list) => self.visit_all(&mut list.elements)?,
            Expr::Map(_) => return Err("a rule has no use for maps".to_owned()),
            Expr::Struct(value) => return Err(format!("unknown type `{}`", value.type_name)),
        }
        self.depth -= 1;
        Ok(())
    }

    fn visit_all(&mut self, parts: &mut [IdedExpr]) -> Result<(), String> {
        parts.iter_mut().try_for_each(|part| self.visit(part))
    }

    /// A variable with its fields, as one name: it is resolved as one, too. Of
    /// anything else, a field.
    fn name(&mut self, expression: &mut Expr) -> Result<(), String> {
        let Some(name) = dotted(expression) else {
            return match expression {
                Expr::Select(select) if select.test => Err(
                    "`has` tells nothing: every variable is always there; compare it with null"
                        .to_owned(),
                ),
                Expr::Select(select) => self.visit(&mut select.operand),
                _ => Ok(()),
            };
        };
        let root = name.split('.').next();
        if name.starts_with('@') || (root.is_some() && root == self.element.as_deref()) {
            return Ok(());
        }
        match self.vocabulary.variables.iter().find(|it| **it == name) {
            Some(variable) => self.checked.variables.push(variable),
            None => return Err(unknown("variable", &name, self.vocabulary.variables)),
        }
        Ok(())
    }

    fn call(&mut self, call: &mut CallExpr) -> Result<(), String> {
        let name = call.func_name.as_str();
        let is_operator = name.contains(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'));
        if !is_operator && !self.vocabulary.functions.contains(&name) {
            if matches!(name, "exists" | "exists_one" | "existsOne" | "all") {
                return Err(format!("expected list.{name}(element, condition)"));
            }
            return Err(unknown("function", name, self.vocabulary.functions));
        }
        if name == "matches" {
            let [argument] = call.args.as_mut_slice() else {
                return Err("expected text.matches('pattern')".to_owned());
            };
            self.pattern(&mut argument.expr)?;
        } else {
            self.visit_all(&mut call.args)?;
        }
        match &mut call.target {
            Some(target) => self.visit(target),
            None => Ok(()),
        }
    }

    /// A pattern that is made in the rule would be compiled each time, and take
    /// as long as its author likes.
    fn pattern(&mut self, argument: &mut Expr) -> Result<(), String> {
        let Expr::Literal(LiteralValue::String(text)) = argument else {
            return Err("the pattern of `matches` must be a text in quotes".to_owned());
        };
        let pattern = Pattern::new(text.inner())?;
        *argument = Expr::Ident(name_of_pattern(self.checked.patterns.len()));
        self.checked.patterns.push(pattern);
        Ok(())
    }

    /// `exists`, `all`, `exists_one`: one loop over what the rule or the caller's
    /// certificate lists. Loops in loops, and loops that make lists, could make
    /// a short rule run for hours, or take all memory.
    fn comprehension(&mut self, it: &mut ComprehensionExpr) -> Result<(), String> {
        if self.element.is_some() {
            return Err("one `exists` or `all` can't stand inside another".to_owned());
        }
        if matches!(it.accu_init.expr, Expr::List(_)) {
            return Err("`map` and `filter` can't be used; `exists` and `all` can".to_owned());
        }
        let is_root = |variable: &&str| variable.split('.').next() == Some(&it.iter_var);
        if self.vocabulary.variables.iter().any(is_root) {
            return Err(format!(
                "`{}` is a variable; call the element otherwise",
                it.iter_var
            ));
        }
        self.visit(&mut it.iter_range)?;
        self.element = Some(it.iter_var.clone());
        for part in [
            &mut it.accu_init,
            &mut it.loop_cond,
            &mut it.loop_step,
            &mut it.result,
        ] {
            self.visit(part)?;
        }
        self.element = None;
        Ok(())
    }
}

/// `a.b.c`, where an expression is a name and its fields.
fn dotted(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!(
            "{}.{}",
            dotted(&select.operand.expr)?,
            select.field
        )),
        _ => None,
    }
}

fn unknown(what: &str, name: &str, valid: &[&str]) -> String {
    match nearest(name, valid) {
        Some(near) => format!("unknown {what} `{name}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{name}`; there are {}", valid.join(", ")),
    }
}
