#include "data/expression.h"

#include "data/expression_parser.h"
#include "data/expression_program.h"
#include "data/expression_types.h"

namespace assay::data {

Result<Expression> Expression::compile(std::string_view text, const Schema& schema) {
  ASSAY_ASSIGN_OR_RETURN(const SyntaxNode root, parse_expression(text));
  ASSAY_ASSIGN_OR_RETURN(std::shared_ptr<const Program> program,
                         bind_expression(root, text, schema));
  return Expression(std::move(program));
}

Type Expression::type() const {
  return program_->type;
}

const std::vector<std::string>& Expression::columns() const {
  return program_->columns;
}

const std::string& Expression::text() const {
  return program_->text;
}

Result<ColumnPtr> Expression::evaluate(const Batch& batch) const {
  return run_program(*program_, batch);
}

}  // namespace assay::data
